"""Plays every game that this challenger opened, several at once, to the end."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from assay.chain.events import EventReader
from assay.chain.game_view import GameView
from assay.chain.games import Games
from assay.chain.network import Network
from assay.challenger.evidence import Evidence
from assay.challenger.solver import Guide, Nowhere, Truth, next_move
from assay.core import logs
from assay.core.errors import AssayError, ChainError
from assay.core.game import Phase, Player
from assay.core.wire import ClaimData
from assay.exact import sampling
from assay.trace.commitment import ModelCommitment
from assay.trace.pass_trace import PassTrace

GAMES_AT_ONCE = 4


class GamePlayer:
    """A loop's turn: learn which games are ours, then move in every one that waits for us."""

    def __init__(
        self,
        network: Network,
        evidence: Evidence,
        commitment: ModelCommitment,
        address: str,
        start_block: int | None,
    ) -> None:
        self._network = network
        self._games = Games(network)
        self._start = start_block
        self._reader: EventReader = network.reader(start_block)
        self._evidence = evidence
        self._commitment = commitment
        self._address = address
        self._lock = threading.Lock()
        self._active: set[bytes] = set()
        self._busy: set[bytes] = set()
        self._guides: dict[bytes, Truth] = {}
        self._pool = ThreadPoolExecutor(GAMES_AT_ONCE, thread_name_prefix="play")

    def turn(self) -> None:
        self._learn()
        with self._lock:
            waiting = [game for game in self._active if game not in self._busy]
            self._busy.update(waiting)
        for game in waiting:
            self._pool.submit(self._attend, game)

    def close(self) -> None:
        """Finish the moves under way; their games are taken up again at the next start."""
        self._pool.shutdown(wait=True)

    def _learn(self) -> None:
        try:
            update = self._reader.poll()
        except ChainError:
            self._reader = self._network.reader(self._start)
            raise
        with self._lock:
            for event in update.removed:
                if event.name == "GameOpened":
                    self._active.discard(event.args["game_id"])
            for event in update.added:
                if event.name == "GameOpened" and event.args["challenger"] == self._address:
                    self._active.add(event.args["game_id"])

    def _attend(self, game_id: bytes) -> None:
        try:
            self._move(game_id)
        except AssayError as error:
            logs.warning("game_move_failed", game=game_id, code=error.code, error=error.message)
        except Exception:
            logs.LOGGER.exception("game_crashed")
        finally:
            with self._lock:
                self._busy.discard(game_id)

    def _move(self, game_id: bytes) -> None:
        view = self._games.view(game_id)
        if view.state.phase is Phase.RESOLVED:
            self._resolved(view)
            return
        # An idle chain's newest block may be old; a timeout tried too early is refused unsent.
        now = max(self._network.now(), int(time.time()))
        move = next_move(view.state, self._guide(view), now)
        if move is None:
            return
        mined = self._games.play(view, move)
        logs.event(
            "game_move",
            game=game_id,
            move=type(move).__name__,
            transaction=mined.hash,
            gas=mined.gas_used,
        )

    def _resolved(self, view: GameView) -> None:
        with self._lock:
            self._active.discard(view.game_id)
            self._guides.pop(view.game_id, None)
        logs.event(
            "game_resolved",
            game=view.game_id,
            job=view.job_id,
            outcome=view.outcome.name.lower(),
            reason=view.reason,
        )

    def _guide(self, view: GameView) -> Guide:
        """The recomputed pass, built once we have to point somewhere."""
        if view.state.turn is Player.PROVIDER or view.state.claim_dead:
            return Nowhere()
        with self._lock:
            guide = self._guides.get(view.game_id)
        if guide is None:
            record = view.record
            data = self._evidence.get(record.provider, record.batch_id, record.index)
            guide = make_truth(self._commitment, data, record.token_index)
            with self._lock:
                self._guides[view.game_id] = guide
        return guide


def make_truth(commitment: ModelCommitment, data: ClaimData, token_index: int) -> Truth:
    """Recompute the pass that should have produced output token `token_index`."""
    trace = PassTrace(commitment, [*data.prompt, *data.output[:token_index]])
    model, job = commitment.model, data.job
    token = sampling.sample(
        trace.tensors[-1].values[0].astype(np.int64),
        job.inv_temperature,
        model.logit_fraction,
        job.seed,
        token_index,
        model.gumbel,
    )
    claimed = data.output[token_index] if token_index < len(data.output) else -1
    return Truth(trace, token, claimed)
