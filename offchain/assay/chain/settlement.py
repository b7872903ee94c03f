"""Clients of the settlement and of the model registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from assay.chain.contract import ContractClient
from assay.chain.sender import Mined
from assay.core.types import Job, Model, Receipt


class ClaimStatus(IntEnum):
    """What has become of a claim (`ISettlement`)."""

    OPEN = 0
    FINALISED = 1
    CONVICTED = 2
    ABANDONED = 3
    WITHDRAWN = 4


@dataclass(frozen=True)
class BatchState:
    """A batch on chain; all zero for an unknown one."""

    provider: str
    root: bytes
    count: int
    posted_at: int


CLAIMS_PER_CALL = 16
"""The limit of `finalise_many`."""


@dataclass(frozen=True)
class Finalisation:
    """What finalises one claim of a batch, its place apart."""

    receipt: Receipt
    job: Job
    signature: bytes

    def abi(self) -> tuple[object, ...]:
        return (self.receipt.abi(), self.job.abi(), self.signature)


class Settlement(ContractClient):
    """Batches of claims, their window, conviction and payment."""

    def post_batch(self, root: bytes, count: int) -> Mined:
        return self.write("post_batch", root, count)

    def finalise(
        self,
        batch_id: bytes,
        index: int,
        receipt: Receipt,
        proof: Sequence[bytes],
        job: Job,
        signature: bytes,
    ) -> Mined:
        return self.write(
            "finalise", batch_id, index, receipt.abi(), list(proof), job.abi(), signature
        )

    def finalise_many(
        self, batch_id: bytes, first: int, claims: Sequence[Finalisation], path: Sequence[bytes]
    ) -> Mined:
        """At most 16 claims of one batch that lie side by side from `first` on, all or nothing.

        `path`: the proof of all of them (`merkle.row_path`).
        """
        items = [claim.abi() for claim in claims]
        return self.write("finalise_many", batch_id, first, items, list(path))

    def abandon(self, batch_id: bytes, index: int) -> Mined:
        return self.write("abandon", batch_id, index)

    def withdraw_claim(self, batch_id: bytes, index: int) -> Mined:
        """Take back a claim that turned out wrong, in the first eighth of its window."""
        return self.write("withdraw_claim", batch_id, index)

    def withdrawal_until(self, batch_id: bytes) -> int:
        """The last second in which a claim can be taken back; 0 for an unknown batch."""
        return int(self.read("withdrawal_until", batch_id))

    def paid_for(self, claim_id: bytes) -> int:
        """Micro-USD that an audited, finalised claim was paid; 0 for any other."""
        return int(self.read("paid_for", claim_id))

    def set_audits(self, audits: str) -> Mined:
        return self.write("set_audits", audits)

    def set_game(self, game: str) -> Mined:
        return self.write("set_game", game)

    def batch(self, batch_id: bytes) -> BatchState:
        return BatchState(*self.read("batch", batch_id))

    def batch_id(self, provider: str, root: bytes, count: int, nonce: int) -> bytes:
        return bytes(self.read("batch_id", provider, root, count, nonce))

    def challenge_until(self, batch_id: bytes) -> int:
        """The last second in which a game may open; 0 for an unknown batch."""
        return int(self.read("challenge_until", batch_id))

    def claim_id(self, batch_id: bytes, index: int) -> bytes:
        return bytes(self.read("claim_id", batch_id, index))

    def job_id(self, job: Job) -> bytes:
        return bytes(self.read("job_id", job.abi()))

    def status(self, batch_id: bytes, index: int) -> ClaimStatus:
        return ClaimStatus(self.read("status", batch_id, index))

    def next_nonce(self, provider: str) -> int:
        return int(self.read("next_nonce", provider))

    def paid(self, job: Job) -> bool:
        """Whether a job of this consumer, provider and nonce is paid."""
        return bool(self.read("paid", job.consumer, job.provider, job.nonce))

    def window_seconds(self) -> int:
        return int(self.read("window_seconds"))

    def slash_per_claim(self) -> int:
        return int(self.read("slash_per_claim"))

    def reward_bps(self) -> int:
        return int(self.read("reward_bps"))


class ModelRegistry(ContractClient):
    """Which models exist, and who verifies their steps."""

    def register(self, model: Model) -> Mined:
        return self.write("register", model.abi())

    def add_verifier(self, spec_version: int, verifier: str) -> Mined:
        return self.write("add_verifier", spec_version, verifier)

    def set_reference_price(self, model_root: bytes, price_input: int, price_output: int) -> Mined:
        """Owner: most that daily credit pays, micro-USD per million tokens."""
        return self.write("set_reference_price", model_root, price_input, price_output)

    def reference_price(self, model_root: bytes) -> tuple[int, int]:
        """Micro-USD per million tokens, of input and output; (0, 0): paid in dollars only."""
        price_input, price_output = self.read("reference_price", model_root)
        return int(price_input), int(price_output)

    def owner(self) -> str:
        return str(self.read("owner"))

    def model_root(self, model: Model) -> bytes:
        return bytes(self.read("model_root", model.abi()))

    def verifier_of(self, model_root: bytes) -> str:
        """The verifier of a registered model; the zero address for an unknown one."""
        return str(self.read("verifier_of", model_root))

    def registered_at(self, model_root: bytes) -> int:
        """Unix time; 0 for an unknown model."""
        return int(self.read("registered_at", model_root))
