"""What the chain says about a job's consumer and this provider, at the moment a job arrives."""

from __future__ import annotations

import time

from assay.chain.contract import ContractClient
from assay.chain.deployment import DeployedContract
from assay.chain.network import Network
from assay.core.errors import ChainError, NodeUnavailable
from assay.core.hashes import job_id
from assay.core.signing import job_signer
from assay.core.types import Hash, Job
from assay.provider.admission import Standing
from assay.provider.journal import Journal
from assay.provider.worker import Worker

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


class StandingReader:
    """Reads a `Standing`; protocol constants are read once."""

    def __init__(self, network: Network, journal: Journal, worker: Worker, address: str) -> None:
        self._network = network
        self._journal = journal
        self._worker = worker
        self._address = address
        self._settlement = network.settlement.address
        self._slash = network.settlement.slash_per_claim()

    def job_id(self, job: Job) -> Hash:
        return job_id(job, self._network.chain_id, self._settlement)

    def read(self, job: Job, signature: bytes) -> Standing:
        """The standing of a new job of `job.consumer`."""
        running = self._worker.running()
        promised = self._journal.counts()["pending"] + len(running)
        return Standing(
            now=self._now(),
            signer_valid=self._signed(job, signature),
            funds=self._network.ledger.available(job.consumer),
            unpaid=self._journal.unpaid(job.consumer)
            + sum(
                other.job.price(other.job.max_output_tokens)
                for other in running
                if other.job.consumer == job.consumer
            ),
            free_bond=self._network.providers.free(self._address) - promised * self._slash,
            slash_per_claim=self._slash,
        )

    def _now(self) -> int:
        """The later of our clock and the chain's: deadlines are judged by the chain."""
        return max(int(time.time()), self._network.now())

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
