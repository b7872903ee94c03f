"""Whole games on a real Anvil, both players in this process: what each move costs and takes.

The players are the services' own (`provider.responder`, `challenger.solver`); only their
processes and polling are left out, so that times are of computing alone.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from assay.chain.anvil import Anvil, dev_account
from assay.chain.deploy import deploy, local_setup
from assay.chain.games import Games, Move
from assay.chain.moves import read_move
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.parameters import DEMO, Parameters
from assay.chain.sender import Sender
from assay.challenger.solver import FixedTarget, Guide, Truth
from assay.challenger.solver import next_move as challenger_move
from assay.challenger.truths import make_truth
from assay.core.game import Player
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE, job_id, receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.signing import sign_job
from assay.core.tokens import TokenList
from assay.core.types import Job, Receipt, SamplingParams
from assay.core.wire import ClaimData
from assay.demo.parties import Party, as_party, fund, make_parties
from assay.engine.engine import Engine
from assay.gateway.jobs import Nonces
from assay.provider.responder import Defence
from assay.provider.responder import next_move as provider_move
from assay.trace import witness
from assay.trace.commitment import Commitment
from assay.trace.execute import Tamper
from assay.trace.pass_trace import PassTrace

PROVIDER = "honest provider"  # a party of the demo; in a game it defends what it is given
JOB_SECONDS = 3600
PRICE = 100_000  # micro-USD per million tokens, both ways

T = TypeVar("T")


@dataclass(frozen=True)
class Lie:
    """A claim whose token `token_index` is wrong; `tamper` is the error in the trace shown.

    With `misstated`, the trace is right and it is the challenger that lies: about the last partial
    of the element there, so that the provider is acquitted by one chunk.
    """

    prompt: tuple[int, ...]
    output: tuple[int, ...]
    params: SamplingParams
    token_index: int
    tamper: Tamper | None
    misstated: bool = False


@dataclass
class Played:
    """A finished game. Times in seconds of computing, by player and phase."""

    outcome: str
    reason: str
    moves: list[dict[str, object]] = field(default_factory=list)
    seconds: dict[str, dict[str, float]] = field(
        default_factory=lambda: {"provider": {}, "challenger": {}}
    )

    @property
    def gas(self) -> int:
        return self._sum("gas")

    def document(self) -> dict[str, object]:
        """What a report says of it."""
        return {
            "reason": self.reason,
            "transactions": len(self.moves),
            "gas": self.gas,
            "gas_by_player": {
                player: sum(int(str(m["gas"])) for m in self.moves if m["by"] == player)
                for player in ("provider", "challenger")
            },
            "calldata_zero_bytes": self._sum("calldata_zero_bytes"),
            "calldata_nonzero_bytes": self._sum("calldata_nonzero_bytes"),
            "moves": self.moves,
            "compute_seconds": self.seconds,
        }

    def _sum(self, key: str) -> int:
        return sum(int(str(move[key])) for move in self.moves)

    def timed(self, player: str, phase: str, work: Callable[[], T]) -> T:
        """Run some work and book its time."""
        start = time.perf_counter()
        try:
            return work()
        finally:
            book = self.seconds[player]
            book[phase] = round(book.get(phase, 0.0) + time.perf_counter() - start, 4)


class Arena:
    """One chain with one model, two players and a consumer."""

    def __init__(
        self, anvil: Anvil, commitment: Commitment, folder: Path, parameters: Parameters = DEMO
    ) -> None:
        web3 = connect(anvil.url)
        deployer = Sender(web3, dev_account())
        setup = local_setup(parameters, deployer.address)
        deployment = deploy(web3, deployer, parameters, setup, "bench", folder / "deployment")
        self.commitment = commitment
        self.network = Network(web3, deployment, deployer)
        self.network.models.register(commitment.header)
        self.parties: dict[str, Party] = make_parties(folder)
        fund(self.network, self.parties, setup.airdrop)
        self.provider = as_party(self.network, self.parties[PROVIDER])
        self._challenger = as_party(self.network, self.parties["challenger"])
        self.anvil = anvil
        self._nonces = Nonces()

    def play(
        self, lie: Lie, engine: Engine, look: Callable[[bytes], None] = lambda game: None
    ) -> Played:
        """Claim the lie, challenge it, play to the end, `look`, then undo it all on chain."""
        snapshot = self.anvil.rpc("evm_snapshot")
        try:
            played, game = self._play(lie, engine)
            look(game)
            return played
        finally:
            self.anvil.rpc("evm_revert", snapshot)

    def _play(self, lie: Lie, engine: Engine) -> tuple[Played, bytes]:
        played = Played("", "")
        data = self.claim(lie.prompt, lie.output, lie.params)
        found = played.timed(
            "challenger",
            "recompute the answer",
            lambda: engine.first_wrong_token(list(lie.prompt), list(lie.output), lie.params),
        )
        if found != lie.token_index:
            raise AssertionError(f"the first wrong token is {found}, not {lie.token_index}")
        truth = played.timed(
            "challenger",
            "trace the pass",
            lambda: make_truth(self.commitment, data, lie.token_index),
        )
        defence = played.timed("provider", "trace the pass", lambda: self._defence(lie, data))
        return played, self.contest(played, data, defence, _guide(lie, truth))

    def contest(self, played: Played, data: ClaimData, defence: Defence, guide: Guide) -> bytes:
        """Open a game about the token that is defended and play it to the end; its id."""
        game = self.open(played, data, defence.token_index)
        while self._move(game, played, defence, guide):
            pass
        return game

    def open(self, played: Played, data: ClaimData, token_index: int) -> bytes:
        """Open a game; its id."""
        game, opened = Games(self._challenger).open(
            data.batch_id,
            data.index,
            data.receipt,
            data.proof,
            data.job,
            self.commitment.header,
            token_index,
            secrets.token_bytes(32),
        )
        self._note(played, Player.CHALLENGER, opened.hash)
        return game

    def _move(self, game: bytes, played: Played, defence: Defence, guide: Guide) -> bool:
        """Make the move that is due; False when the game is over."""
        view = Games(self.network).view(game)
        turn = view.state.turn
        if turn is None:
            played.outcome, played.reason = view.outcome.name.lower(), view.reason
            return False
        player = self.provider if turn is Player.PROVIDER else self._challenger

        def choose() -> Move | None:
            if turn is Player.PROVIDER:
                return provider_move(view.state, defence)
            return challenger_move(view.state, guide, now=0)

        phase = view.state.phase.name.lower()
        move = played.timed(turn.value, phase, choose)
        if move is None:
            raise AssertionError(f"the {turn.value} has no move at {phase}")
        self._note(played, turn, Games(player).play(view, move).hash)
        return True

    def _defence(self, lie: Lie, data: ClaimData) -> Defence:
        tokens = [*lie.prompt, *lie.output[: lie.token_index]]
        return Defence(
            job=data.job,
            receipt=data.receipt,
            prompt=TokenList(lie.prompt, data.salt, PROMPT_SIDE),
            output=TokenList(lie.output, data.salt, OUTPUT_SIDE),
            token_index=lie.token_index,
            trace=PassTrace(self.commitment, tokens, None if lie.misstated else lie.tamper),
        )

    def claim(
        self, prompt: Sequence[int], output: Sequence[int], params: SamplingParams
    ) -> ClaimData:
        """Sign a job, sign off an output, post them as a batch of one."""
        data = self.draft(prompt, output, params)
        return self.post([data], [receipt_leaf(data.receipt)])[0]

    def post(self, drafts: Sequence[ClaimData], leaves: Sequence[bytes]) -> list[ClaimData]:
        """Post a batch of these leaves; the first are those of the drafts."""
        tree = MerkleTree(leaves)
        settlement, provider = self.network.settlement, self.parties[PROVIDER].address
        nonce = settlement.next_nonce(provider)
        batch_id = settlement.batch_id(provider, tree.root, len(leaves), nonce)
        self.provider.settlement.post_batch(tree.root, len(leaves))
        return [
            replace(draft, batch_id=batch_id, index=index, proof=tree.path(index))
            for index, draft in enumerate(drafts)
        ]

    def draft(
        self, prompt: Sequence[int], output: Sequence[int], params: SamplingParams
    ) -> ClaimData:
        """A claim in no batch yet."""
        network, consumer = self.network, self.parties["consumer"].account
        chain_id, settlement = network.chain_id, network.settlement.address
        salt = secrets.token_bytes(32)
        job = self._job(prompt, params, salt)
        receipt = Receipt(
            job_id=job_id(job, chain_id, settlement),
            output_root=TokenList(output, salt, OUTPUT_SIDE).root,
            output_tokens=len(output),
            price=job.price(len(output)),
        )
        return ClaimData(
            batch_id=bytes(32),
            index=0,
            job=job,
            signature=sign_job(consumer, job, chain_id, settlement),
            receipt=receipt,
            proof=(),
            prompt=tuple(prompt),
            output=tuple(output),
            salt=salt,
        )

    def _job(self, prompt: Sequence[int], params: SamplingParams, salt: bytes) -> Job:
        draft = Job(
            model_root=self.commitment.model_root,
            consumer=self.parties["consumer"].address,
            provider=self.parties[PROVIDER].address,
            prompt_root=TokenList(prompt, salt, PROMPT_SIDE).root,
            prompt_tokens=len(prompt),
            max_output_tokens=params.max_tokens,
            inv_temperature=params.inv_temperature,
            seed=params.seed,
            price_input=PRICE,
            price_output=PRICE,
            max_price=10**6,
            deadline=self.network.now() + JOB_SECONDS,
            data_mode=0,
            nonce=self._nonces.next(self.parties[PROVIDER].address),
        )
        return draft

    def _note(self, played: Played, by: Player, transaction: str) -> None:
        mined = read_move(self.network, transaction)
        played.moves.append(
            {
                "move": mined.function,
                "by": by.value,
                "gas": mined.gas,
                "calldata_zero_bytes": mined.calldata_zeros,
                "calldata_nonzero_bytes": mined.calldata_bytes - mined.calldata_zeros,
            }
        )


def _guide(lie: Lie, truth: Truth) -> Guide:
    """The honest challenger's, or one that misstates the last partial of the right element."""
    if not lie.misstated or lie.tamper is None:
        return truth
    place = (lie.tamper.step, lie.tamper.row, lie.tamper.column)
    partials = witness.partials(truth.trace, *place)
    return FixedTarget(*place, stated=(*partials[:-1], partials[-1] + 1))
