"""Whole games on a real Anvil, both players in this process.

The players are the services' own `solver` and `responder`; only their polling is left out. A side
that has no move loses by its clock, which the chain's time is moved for.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from assay.chain.anvil import Anvil, dev_account
from assay.chain.deploy import deploy, local_setup
from assay.chain.game_view import GameView
from assay.chain.games import Games
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.parameters import Parameters, Setup
from assay.chain.sender import Sender, SendPolicy
from assay.challenger.solver import Guide
from assay.challenger.solver import next_move as challenger_move
from assay.challenger.truths import make_truth
from assay.core.errors import ContractReverted
from assay.core.game import Player, Timeout
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE, job_id, receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.outputs import output_count, output_root
from assay.core.signing import sign_job
from assay.core.tokens import TokenList
from assay.core.types import Job, Model, Receipt, SamplingParams
from assay.core.wire import ClaimData
from assay.demo.parties import ROLES, Party, fund, make_parties
from assay.engine.engine import Engine
from assay.provider.responder import Defence
from assay.provider.responder import next_move as provider_move
from assay.trace.commitment import Commitment
from assay.trace.pass_trace import PassTrace

FAST = SendPolicy(poll_seconds=0.005)
RULES = Parameters(
    window_seconds=3_600,
    clock_seconds=600,
    extension_seconds=60,
    unbonding_seconds=100_000,
    withdrawal_seconds=100_000,
)
PRICE = 1_000_000
"""Micro-USD per million tokens: one micro-USD a token."""


@dataclass(frozen=True)
class Played:
    """A finished game: its last view and the moves by name, timeouts included."""

    view: GameView
    moves: list[str]

    @property
    def convicted(self) -> bool:
        return self.view.outcome.name == "CHALLENGER_WON"

    @property
    def place(self) -> tuple[int | None, int | None, int | None]:
        """(step, row, column) where the game ended."""
        element = self.view.element
        row, column = (element.row, element.column) if element else (None, None)
        return self.view.state.step, row, column


class Arena:
    """One chain with one model; a consumer, two providers, a challenger, all funded."""

    def __init__(
        self, anvil: Anvil, commitment: Commitment, folder: Path, rules: Parameters = RULES
    ) -> None:
        web3 = connect(anvil.url)
        deployer = Sender(web3, dev_account(), FAST)
        self.anvil = anvil
        self.commitment = commitment
        setup = self._setup(rules, deployer)
        place = folder / "deployment"
        self.deployment = deploy(web3, deployer, rules, setup, "test", place)
        self.network = Network(web3, self.deployment, deployer)
        self.network.models.register(commitment.header)
        self.parties: dict[str, Party] = make_parties(folder)
        fund(self.network, self.parties, setup.airdrop)
        self.networks = {role: self._as(role) for role in ROLES}
        # A test and a challenger's process open games from one account, at the same time.
        challenger = self.networks["challenger"]
        challenger.bond_token.approve(
            challenger.game.address, 1_000 * challenger.game.challenger_bond()
        )

    def _setup(self, rules: Parameters, deployer: Sender) -> Setup:
        """What the deployment is told beside its rules."""
        return local_setup(rules, deployer.address)

    @property
    def header(self) -> Model:
        return self.commitment.header

    def address(self, role: str) -> str:
        return self.parties[role].address

    def add_bond(self, role: str, claims: int) -> None:
        """Let a provider have so many more claims open."""
        amount = claims * self.network.settlement.slash_per_claim()
        own = self.networks[role]
        self.network.bond_token.transfer(self.address(role), amount)
        own.bond_token.approve(own.providers.address, amount)
        own.providers.bond(amount)

    def job(
        self, prompt: Sequence[int], params: SamplingParams, salt: bytes, **changes: Any
    ) -> Job:
        """A job for the honest provider, of the arena's consumer."""
        draft = Job(
            model_root=self.commitment.model_root,
            consumer=self.address("consumer"),
            provider=self.address("honest provider"),
            prompt_root=TokenList(prompt, salt, PROMPT_SIDE).root,
            prompt_tokens=len(prompt),
            max_output_tokens=params.max_tokens,
            inv_temperature=params.inv_temperature,
            seed=params.seed,
            price_input=PRICE,
            price_output=0 if self.header.embeds else PRICE,
            max_price=10**6,
            deadline=self.network.now() + 10**6,
            data_mode=0,
            nonce=secrets.token_bytes(32),
        )
        return replace(draft, **changes)

    def draft(
        self,
        prompt: Sequence[int],
        output: Sequence[int],
        params: SamplingParams,
        count: int | None = None,
    ) -> ClaimData:
        """A claim in no batch yet; `count` lies about the number of output tokens."""
        settlement = self.network.settlement.address
        salt = secrets.token_bytes(32)
        job = self.job(prompt, params, salt)
        tokens = output_count(self.header, output) if count is None else count
        receipt = Receipt(
            job_id=job_id(job, self.network.chain_id, settlement),
            output_root=output_root(self.header, output, salt),
            output_tokens=tokens,
            price=job.price(tokens),
        )
        signature = sign_job(
            self.parties["consumer"].account, job, self.network.chain_id, settlement
        )
        return ClaimData(
            bytes(32), 0, job, signature, receipt, (), tuple(prompt), tuple(output), salt
        )

    def post(self, *drafts: ClaimData) -> list[ClaimData]:
        """Post drafts as one batch of the honest provider."""
        network, provider = self.networks["honest provider"], self.address("honest provider")
        tree = MerkleTree([receipt_leaf(draft.receipt) for draft in drafts])
        nonce = network.settlement.next_nonce(provider)
        batch_id = network.settlement.batch_id(provider, tree.root, len(drafts), nonce)
        network.settlement.post_batch(tree.root, len(drafts))
        return [
            replace(draft, batch_id=batch_id, index=i, proof=tree.path(i))
            for i, draft in enumerate(drafts)
        ]

    def claim_id(self, data: ClaimData) -> bytes:
        return self.network.settlement.claim_id(data.batch_id, data.index)

    def open(self, data: ClaimData, token_index: int, salt: bytes | None = None) -> bytes:
        """Challenge an output token; the game's id."""
        game, _ = Games(self.networks["challenger"]).open(
            data.batch_id,
            data.index,
            data.receipt,
            data.proof,
            data.job,
            self.header,
            token_index,
            salt or secrets.token_bytes(32),
        )
        return game

    def defence(self, data: ClaimData, token_index: int, trace: PassTrace | None = None) -> Defence:
        """What the provider plays with; an honest trace unless another is given."""
        output = None if self.header.embeds else TokenList(data.output, data.salt, OUTPUT_SIDE)
        tokens = [*data.prompt, *data.output[:token_index]]
        return Defence(
            job=data.job,
            receipt=data.receipt,
            prompt=TokenList(data.prompt, data.salt, PROMPT_SIDE),
            output=output,
            token_index=token_index,
            trace=trace or PassTrace(self.commitment, tokens),
        )

    def play(
        self,
        data: ClaimData,
        token_index: int,
        trace: PassTrace | None = None,
        guide: Guide | None = None,
        silent: bool = False,
    ) -> Played:
        """Open a game and play it to its end; without a guide the challenger is honest."""
        game = self.open(data, token_index)
        defence = None if silent else self.defence(data, token_index, trace)
        return self.finish(game, defence, guide or make_truth(self.commitment, data, token_index))

    def finish(self, game: bytes, defence: Defence | None, guide: Guide) -> Played:
        """Play an open game to its end; no defence stands for a silent provider."""
        moves: list[str] = []
        while True:
            view = Games(self.network).view(game)
            turn = view.state.turn
            if turn is None:
                return Played(view, moves)
            moves.append(self._move(view, turn, defence, guide))

    def _move(self, view: GameView, turn: Player, defence: Defence | None, guide: Guide) -> str:
        if turn is Player.CHALLENGER or view.state.claim_dead:
            role, move = "challenger", challenger_move(view.state, guide, now=0)
        else:
            role, move = "honest provider", None
            with suppress(IndexError):  # the claim says more than was committed
                move = provider_move(view.state, defence) if defence else None
        if move is not None:
            try:
                Games(self.networks[role]).play(view, move)
                return type(move).__name__
            except ContractReverted as error:
                refused = f"{type(move).__name__} refused: {error.reason}"
        else:
            refused = "silence"
        self.pass_time(view.state.deadline)
        other = "honest provider" if turn is Player.CHALLENGER else "challenger"
        Games(self.networks[other]).play(view, Timeout())
        return f"{refused}, timeout"

    def pass_time(self, until: int) -> None:
        """Move the chain's clock beyond a Unix time."""
        self.anvil.rpc("evm_setNextBlockTimestamp", max(until, self.network.now()) + 1)
        self.anvil.rpc("evm_mine")

    def _as(self, role: str) -> Network:
        sender = Sender(self.network.web3, self.parties[role].account, FAST)
        return Network(self.network.web3, self.deployment, sender)


def greedy(tokens: int) -> SamplingParams:
    return SamplingParams(tokens, 0, bytes(range(32)))


def warm(tokens: int) -> SamplingParams:
    """Temperature 1."""
    return SamplingParams(tokens, 65536, bytes(range(32)))


def right_output(engine: Engine, prompt: Sequence[int], params: SamplingParams) -> list[int]:
    return list(engine.generate(list(prompt), params))


def wrong_at(output: Sequence[int], index: int, vocab: int) -> list[int]:
    """The output with another token at `index`."""
    changed = list(output)
    changed[index] = (changed[index] + 1) % vocab
    return changed
