"""Claims as gateways hand them out, signed, over any model; right unless the output is not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_account import Account

from assay.core.hashes import PROMPT_SIDE, job_id, receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.outputs import output_count, output_root
from assay.core.signing import sign_job, sign_receipt
from assay.core.tokens import TokenList
from assay.core.types import Job, Receipt
from assay.core.wire import hexed, to_json
from assay.trace.commitment import Commitment

CHAIN_ID = 31337
SETTLEMENT = "0x" + "ab" * 20
SALT = bytes([7]) * 32
SEED = bytes([9]) * 32
CONSUMER = Account.from_key(b"\x11" * 32)
PROVIDER = Account.from_key(b"\x22" * 32)
OTHER_LEAVES = [bytes([n]) * 32 for n in range(4)]
INDEX = 2
"""Of the claim in a batch of five."""


@dataclass(frozen=True)
class Claimed:
    """A job, and what its provider answers.

    job, receipt: fields that differ from those that prompt and output give. `max_tokens` is the
    job's bound; None stands for as many as the output has.
    """

    commitment: Commitment
    prompt: tuple[int, ...]
    output: tuple[int, ...]
    inv_temperature: int = 0
    max_tokens: int | None = None
    job_changes: dict[str, Any] = field(default_factory=dict)
    receipt_changes: dict[str, Any] = field(default_factory=dict)

    @property
    def job(self) -> Job:
        job = Job(
            model_root=self.commitment.model_root,
            consumer=CONSUMER.address,
            provider=PROVIDER.address,
            prompt_root=TokenList(self.prompt, SALT, PROMPT_SIDE).root,
            prompt_tokens=len(self.prompt),
            max_output_tokens=len(self.output) if self.max_tokens is None else self.max_tokens,
            inv_temperature=self.inv_temperature,
            seed=SEED,
            price_input=150_001,
            price_output=600_007,
            max_price=10**6,
            deadline=2**40,
            data_mode=0,
            nonce=bytes([3]) * 32,
        )
        return replace(job, **self.job_changes)

    @property
    def receipt(self) -> Receipt:
        header = self.commitment.header
        count = output_count(header, self.output)
        receipt = Receipt(
            job_id=job_id(self.job, CHAIN_ID, SETTLEMENT),
            output_root=output_root(header, self.output, SALT),
            output_tokens=count,
            price=self.job.price(count),
        )
        return replace(receipt, **self.receipt_changes)

    def batch(self) -> dict[str, Any]:
        leaves: Sequence[bytes] = [*OTHER_LEAVES]
        tree = MerkleTree([*leaves[:INDEX], receipt_leaf(self.receipt), *leaves[INDEX:]])
        proof = [hexed(item) for item in tree.path(INDEX)]
        return {"root": hexed(tree.root), "index": INDEX, "count": tree.count, "proof": proof}

    def document(self) -> dict[str, Any]:
        """As `GET /v1/receipts/{id}` gives it."""
        job, receipt = self.job, self.receipt
        return {
            "chain_id": CHAIN_ID,
            "settlement": SETTLEMENT,
            "job": to_json(job),
            "signature": hexed(sign_job(CONSUMER, job, CHAIN_ID, SETTLEMENT)),
            "salt": hexed(SALT),
            "prompt": list(self.prompt),
            "output": list(self.output),
            "receipt": to_json(receipt),
            "receipt_signature": hexed(sign_receipt(PROVIDER, receipt, CHAIN_ID, SETTLEMENT)),
            "batch": self.batch(),
        }
