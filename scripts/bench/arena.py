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
from assay.chain.game_view import GameView
from assay.chain.games import Games, Move
from assay.chain.moves import read_move
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.parameters import DEMO
from assay.chain.sender import Sender
from assay.challenger.player import make_truth
from assay.challenger.solver import Truth
from assay.challenger.solver import next_move as challenger_move
from assay.core.game import Player, RevealPartials
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE, job_id, receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.signing import sign_job
from assay.core.tokens import TokenList
from assay.core.types import Job, Receipt, SamplingParams
from assay.core.wire import ClaimData
from assay.demo.parties import Party, as_party, fund, make_parties
from assay.engine.engine import Engine
from assay.provider.responder import Defence
from assay.provider.responder import next_move as provider_move
from assay.trace.commitment import ModelCommitment
from assay.trace.execute import Tamper
from assay.trace.pass_trace import PassTrace

PROVIDER = "honest provider"  # a party of the demo; in a game it defends what it is given
JOB_SECONDS = 3600
PRICE = 100_000  # micro-USD per million tokens, both ways

T = TypeVar("T")


@dataclass(frozen=True)
class Lie:
    """A claim whose token `token_index` is wrong; `tamper` is the error in the trace shown.

    With `forged`, a LINEAR element's partials are changed so that they give the wrong element:
    then only the recomputation of a chunk convicts.
    """

    prompt: tuple[int, ...]
    output: tuple[int, ...]
    params: SamplingParams
    token_index: int
    tamper: Tamper | None
    forged: bool = False


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
        return sum(int(str(move["gas"])) for move in self.moves)

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

    def __init__(self, anvil: Anvil, commitment: ModelCommitment, folder: Path) -> None:
        web3 = connect(anvil.url)
        deployer = Sender(web3, dev_account())
        setup = local_setup(DEMO, deployer.address)
        deployment = deploy(web3, deployer, DEMO, setup, "bench", folder / "deployment")
        self.commitment = commitment
        self.network = Network(web3, deployment, deployer)
        self.network.models.register(commitment.header)
        self.parties: dict[str, Party] = make_parties(folder)
        fund(self.network, self.parties, setup.airdrop)
        self._provider = as_party(self.network, self.parties[PROVIDER])
        self._challenger = as_party(self.network, self.parties["challenger"])
        self._anvil = anvil

    def play(
        self, lie: Lie, engine: Engine, look: Callable[[bytes], None] = lambda game: None
    ) -> Played:
        """Claim the lie, challenge it, play to the end, `look`, then undo it all on chain."""
        snapshot = self._anvil.rpc("evm_snapshot")
        try:
            played, game = self._play(lie, engine)
            look(game)
            return played
        finally:
            self._anvil.rpc("evm_revert", snapshot)

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
        game, opened = Games(self._challenger).open(
            data.batch_id,
            0,
            data.receipt,
            data.proof,
            data.job,
            self.commitment.header,
            lie.token_index,
            bytes(32),
        )
        self._note(played, Player.CHALLENGER, opened.hash)
        while self._move(game, played, lie, defence, truth):
            pass
        return played, game

    def _move(self, game: bytes, played: Played, lie: Lie, defence: Defence, truth: Truth) -> bool:
        """Make the move that is due; False when the game is over."""
        view = Games(self.network).view(game)
        turn = view.state.turn
        if turn is None:
            played.outcome, played.reason = view.outcome.name.lower(), view.reason
            return False
        player = self._provider if turn is Player.PROVIDER else self._challenger

        def choose() -> Move | None:
            if turn is Player.PROVIDER:
                return provider_move(view.state, defence)
            return challenger_move(view.state, truth, now=0)

        phase = view.state.phase.name.lower()
        move = played.timed(turn.value, phase, choose)
        if move is None:
            raise AssertionError(f"the {turn.value} has no move at {phase}")
        if lie.forged and isinstance(move, RevealPartials):
            move = _forge(move, view)
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
            trace=PassTrace(self.commitment, tokens, lie.tamper),
        )

    def claim(
        self, prompt: Sequence[int], output: Sequence[int], params: SamplingParams
    ) -> ClaimData:
        """Sign a job, sign off an output, post them as a batch of one."""
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
        tree = MerkleTree([receipt_leaf(receipt)])
        provider = self.parties[PROVIDER].address
        nonce = network.settlement.next_nonce(provider)
        batch_id = network.settlement.batch_id(provider, tree.root, 1, nonce)
        self._provider.settlement.post_batch(tree.root, 1)
        return ClaimData(
            batch_id=batch_id,
            index=0,
            job=job,
            signature=sign_job(consumer, job, chain_id, settlement),
            receipt=receipt,
            proof=tree.path(0),
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
            nonce=secrets.token_bytes(32),
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


def _forge(move: RevealPartials, view: GameView) -> RevealPartials:
    """Other partials that do give the claimed element: rnd(sum * mantissa, shift - e)."""
    assert view.element is not None, "partials belong to an element"
    exponent, scale = move.openings
    e = int.from_bytes(exponent.data, "big", signed=True)
    mantissa, shift = (int.from_bytes(scale.data[i : i + 4], "big", signed=True) for i in (0, 4))
    by = shift - e
    needed = -(-((view.element.value << by) - (1 << (by - 1))) // mantissa)
    others = move.partials[1:]
    return replace(move, partials=(needed - sum(others), *others))
