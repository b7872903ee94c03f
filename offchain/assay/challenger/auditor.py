"""Watches batches and opens a game against every wrong claim while the window is open."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from time import monotonic

from assay.chain.events import Event, EventReader
from assay.chain.games import Games
from assay.chain.network import Network
from assay.challenger.audit import Finding, Recomputer, audit, check_data, check_prompt
from assay.challenger.evidence import Evidence
from assay.core import logs
from assay.core.errors import AssayError, ChainError, ProofError
from assay.core.hashes import job_id, keccak
from assay.core.types import Hash
from assay.core.wire import ClaimData
from assay.trace.commitment import ModelCommitment

RETRY_SECONDS = 2.0
RETRY_LIMIT_SECONDS = 60.0


@dataclass
class Task:
    """One claim to audit; `attempts` failed so far, the next one not before `due`."""

    provider: str
    batch_id: bytes
    index: int
    root: bytes
    until: int
    attempts: int = 0
    due: float = 0.0


class Auditor:
    """A loop's turn: learn of new batches, then audit what is due."""

    def __init__(
        self,
        network: Network,
        evidence: Evidence,
        commitment: ModelCommitment,
        engine: Recomputer,
        address: str,
        start_block: int | None,
        stopping: threading.Event,
    ) -> None:
        self._network = network
        self._games = Games(network)
        self._start = start_block
        self._reader: EventReader = network.reader(start_block)
        self._evidence = evidence
        self._commitment = commitment
        self._engine = engine
        self._address = address
        self._stopping = stopping
        self._tasks: dict[tuple[bytes, int], Task] = {}

    def turn(self) -> None:
        self._learn()
        chain_now = self._network.now()
        for key, task in list(self._tasks.items()):
            if self._stopping.is_set():
                return
            if chain_now > task.until:
                logs.warning("window_over", batch=task.batch_id, index=task.index)
                del self._tasks[key]
            elif monotonic() >= task.due and self._done(task):
                del self._tasks[key]

    def _learn(self) -> None:
        try:
            update = self._reader.poll()
        except ChainError:
            self._reader = self._network.reader(self._start)
            raise
        for event in update.removed:
            if event.name == "BatchPosted":
                for index in range(event.args["count"]):
                    self._tasks.pop((event.args["batch_id"], index), None)
        now = self._network.now()
        for event in update.added:
            if event.name == "BatchPosted" and event.args["challenge_until"] >= now:
                self._add(event)

    def _add(self, event: Event) -> None:
        args = event.args
        for index in range(args["count"]):
            task = Task(
                provider=args["provider"],
                batch_id=args["batch_id"],
                index=index,
                root=args["root"],
                until=args["challenge_until"],
            )
            self._tasks[task.batch_id, index] = task

    def _done(self, task: Task) -> bool:
        """Audit one claim; False if it must be tried again later."""
        try:
            data = self._evidence.get(task.provider, task.batch_id, task.index)
            check_data(data, task.root, task.provider, self._job_id(data))
            if data.job.model_root != self._commitment.model_root:
                logs.event("not_our_model", job=data.receipt.job_id)
                return True
            check_prompt(data, self._commitment.header)
            self._judge(task, data)
        except AssayError as error:
            task.attempts += 1
            task.due = monotonic() + min(RETRY_SECONDS * 2**task.attempts, RETRY_LIMIT_SECONDS)
            name = "data_unproven" if isinstance(error, ProofError) else "audit_failed"
            logs.warning(name, batch=task.batch_id, index=task.index, error=error.message)
            return False
        return True

    def _job_id(self, data: ClaimData) -> Hash:
        return job_id(data.job, self._network.chain_id, self._network.settlement.address)

    def _judge(self, task: Task, data: ClaimData) -> None:
        finding = audit(data, self._commitment.header, self._engine)
        job = data.receipt.job_id
        if finding is None:
            logs.event("claim_right", job=job, tokens=len(data.output))
            return
        logs.warning("claim_wrong", job=job, token=finding.token_index, reason=finding.reason)
        self._open(task, data, finding)

    def _open(self, task: Task, data: ClaimData, finding: Finding) -> None:
        """Open the game unless an earlier run of this challenger did."""
        network, t = self._network, finding.token_index
        claim = network.settlement.claim_id(task.batch_id, task.index)
        salt = game_salt(claim, self._address)
        game = network.game.game_id(claim, t, self._address, salt)
        if network.game.game(game).phase:
            return
        self._evidence.keep(data)
        header = self._commitment.header
        opened, mined = self._games.open(
            task.batch_id, task.index, data.receipt, data.proof, data.job, header, t, salt
        )
        logs.event(
            "game_opened",
            game=opened,
            claim=claim,
            job=data.receipt.job_id,
            token=t,
            transaction=mined.hash,
            gas=mined.gas_used,
        )


def game_salt(claim: bytes, challenger: str) -> bytes:
    """The same at every start, so that a restarted challenger finds its own game."""
    return keccak(b"assay game" + claim + bytes.fromhex(challenger[2:]))
