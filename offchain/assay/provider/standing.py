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
"""Of jobs that come at once, one asks and the others wait so long for what it learns."""
MAX_KNOWN = 10_000


@dataclass(frozen=True)
class _Known:
    """What the chain said: `read_at` by the monotonic clock, `releases` the journal's then."""

    read_at: float
    releases: int
    now: int
    funds: int
    free_bond: int


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
        self._reading = threading.Lock()

    def job_id(self, job: Job) -> Hash:
        return job_id(job, self._network.chain_id, self._settlement)

    def read(self, job: Job, signature: bytes, fresh: bool = False) -> Standing:
        """The standing of a new job of `job.consumer`.

        Args:
            fresh: ask the chain, even if that was done just before.
        """
        # Before the chain is asked: what is let go in between then counts twice, never not at all.
        running = [admitted for queue in self._queues for admitted in queue.running()]
        promised = self._journal.promised() + len(running)
        unpaid = self._journal.unpaid(job.consumer) + sum(
            other.job.price(other.job.max_output_tokens)
            for other in running
            if other.job.consumer == job.consumer
        )
        known = self._chain(job.consumer, fresh)
        return Standing(
            now=max(int(time.time()), known.now),
            signer_valid=self._signed(job, signature),
            funds=known.funds,
            unpaid=unpaid,
            free_bond=known.free_bond - promised * self._slash,
            slash_per_claim=self._slash,
        )

    def _chain(self, consumer: str, fresh: bool) -> _Known:
        """Not of before the journal's last release: what that let go, the chain has taken."""
        asks = self._reading.acquire(timeout=SAME_SECONDS)
        try:
            return self._read_chain(consumer, fresh)
        finally:
            if asks:
                self._reading.release()

    def _read_chain(self, consumer: str, fresh: bool) -> _Known:
        known, releases = self._known.get(consumer), self._journal.releases
        old = known is None or time.monotonic() - known.read_at > FRESH_SECONDS
        if known is None or fresh or old or known.releases != releases:
            known = _Known(
                read_at=time.monotonic(),
                releases=releases,
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
