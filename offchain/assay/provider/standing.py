"""What the chain says about a job's consumer and this provider, at the moment a job arrives."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from assay.chain.contract import ContractClient
from assay.chain.deployment import DeployedContract
from assay.chain.network import Network
from assay.core.errors import ChainError, NodeUnavailable
from assay.core.hashes import job_id
from assay.core.signing import job_signer
from assay.core.types import Hash, Job
from assay.provider.admission import Standing
from assay.provider.jobs import JobQueue
from assay.provider.journal import Journal

ERC1271_MAGIC = bytes.fromhex("1626ba7e")
ERC1271_ABI = [
    {
        "type": "function",
        "name": "isValidSignature",
        "stateMutability": "view",
        "inputs": [{"name": "hash", "type": "bytes32"}, {"name": "signature", "type": "bytes"}],
        "outputs": [{"name": "", "type": "bytes4"}],
    }
]


FRESH_SECONDS = 1.0
"""What the chain said of a consumer and of the bond is taken again for so long."""
SAME_SECONDS = 0.2
"""How long a job waits for what another one of its consumer asks just now."""
MOMENT_SECONDS = 0.005
MAX_KNOWN = 10_000


@dataclass(frozen=True)
class _Known:
    """What the chain said: `read_at` by the monotonic clock, `releases` the journal's then."""

    read_at: float
    releases: int
    now: int
    funds: int
    free_bond: int


_NOTHING = _Known(0.0, 0, 0, 0, 0)


class StandingReader:
    """Reads a `Standing`; protocol constants are read once."""

    def __init__(
        self, network: Network, journal: Journal, queues: Sequence[JobQueue], address: str
    ) -> None:
        self._network = network
        self._journal = journal
        self._queues = tuple(queues)
        self._address = address
        self._settlement = network.settlement.address
        self._slash = network.settlement.slash_per_claim()
        self._known: dict[str, _Known] = {}
        self._reading = [threading.Lock() for _ in range(64)]

    def job_id(self, job: Job) -> Hash:
        return job_id(job, self._network.chain_id, self._settlement)

    def read(self, job: Job, signature: bytes, fresh: bool = False) -> Standing:
        """The standing of a new job of `job.consumer`.

        Args:
            fresh: ask the chain, even if that was done just before.
        """
        valid = self._signed(job, signature)
        # Before the chain is asked: what is let go in between then counts twice, never not at all.
        promised, unpaid = self._owed(job.consumer)
        began = time.monotonic()
        known = self._chain(job.consumer, fresh) if valid else _NOTHING
        if time.monotonic() - began > MOMENT_SECONDS:  # other jobs may have come meanwhile
            promised, unpaid = map(
                max, zip((promised, unpaid), self._owed(job.consumer), strict=True)
            )
        return Standing(
            now=max(int(time.time()), known.now),
            signer_valid=valid,
            funds=known.funds,
            unpaid=unpaid,
            free_bond=known.free_bond - promised * self._slash,
            slash_per_claim=self._slash,
        )

    def _owed(self, consumer: str) -> tuple[int, int]:
        """Claims that will each lock a bond, and what this consumer may have to pay, under way and
        open."""
        running = [admitted for queue in self._queues for admitted in queue.running()]
        promised = self._journal.promised() + len(running)
        return promised, self._journal.unpaid(consumer) + sum(
            other.job.price(other.job.max_output_tokens)
            for other in running
            if other.job.consumer == consumer
        )

    def _chain(self, consumer: str, fresh: bool) -> _Known:
        """Of jobs that come at once, one asks, and the others wait a moment for what it learns."""
        asked = time.monotonic()
        if not fresh and (known := self._held(consumer, asked - FRESH_SECONDS)) is not None:
            return known
        reading = self._reading[hash(consumer) % len(self._reading)]
        asks = reading.acquire(timeout=SAME_SECONDS)
        try:
            since = asked if fresh else asked - FRESH_SECONDS
            return self._held(consumer, since) or self._read_chain(consumer)
        finally:
            if asks:
                reading.release()

    def _held(self, consumer: str, since: float) -> _Known | None:
        """What was read since then, and after the journal's last release: what that let go, the
        chain has taken."""
        known = self._known.get(consumer)
        if known is None or known.read_at < since or known.releases != self._journal.releases:
            return None
        return known

    def _read_chain(self, consumer: str) -> _Known:
        known = _Known(
            read_at=time.monotonic(),
            releases=self._journal.releases,
            now=self._network.now(),
            funds=self._network.ledger.available(consumer),
            free_bond=self._network.providers.free(self._address),
        )
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[consumer] = known
        return known

    def _signed(self, job: Job, signature: bytes) -> bool:
        signer = job_signer(job, signature, self._network.chain_id, self._settlement)
        return signer == job.consumer or self._contract_signed(job, signature)

    def _contract_signed(self, job: Job, signature: bytes) -> bool:
        """ERC-1271: the consumer is a contract that accepts the signature."""
        contract = DeployedContract(job.consumer, ERC1271_ABI)
        consumer = ContractClient(self._network.web3, "consumer", contract, None)
        try:
            answer = consumer.read("isValidSignature", self.job_id(job), signature)
        except NodeUnavailable:
            raise
        except ChainError:
            return False  # no contract there, or one that refuses
        return bytes(answer) == ERC1271_MAGIC
