"""A claim as it comes in a file, and whether its parts belong together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from assay_verifier.errors import Malformed, OtherClaim
from assay_verifier.fields import Document, field, hexed, integers, member, number, parsed
from assay_verifier.hashes import OUTPUT, PROMPT, climbed, depth_of, sha, token_list, words
from assay_verifier.model import U32, Model
from assay_verifier.signatures import Fields, digest, signer

JOB: Fields = (
    ("model_root", "bytes32"), ("consumer", "address"), ("provider", "address"),
    ("prompt_root", "bytes32"), ("prompt_tokens", "uint32"), ("max_output_tokens", "uint32"),
    ("inv_temperature", "uint64"), ("seed", "bytes32"), ("price_input", "uint64"),
    ("price_output", "uint64"), ("max_price", "uint256"), ("deadline", "uint64"),
    ("data_mode", "uint8"), ("nonce", "bytes32"),
)  # fmt: skip
RECEIPT: Fields = (
    ("job_id", "bytes32"), ("output_root", "bytes32"), ("output_tokens", "uint32"),
    ("price", "uint256"),
)  # fmt: skip


@dataclass(frozen=True)
class Job:
    """What the consumer signed."""

    model_root: bytes
    consumer: bytes
    provider: bytes
    prompt_root: bytes
    prompt_tokens: int
    max_output_tokens: int
    inv_temperature: int
    seed: bytes
    price_input: int
    price_output: int
    max_price: int
    deadline: int
    data_mode: int
    nonce: bytes

    def price(self, output_tokens: int) -> int:
        """Micro-USD, rounded up."""
        total = self.prompt_tokens * self.price_input + output_tokens * self.price_output
        return -(-total // 10**6)


@dataclass(frozen=True)
class Receipt:
    """What the provider says."""

    job_id: bytes
    output_root: bytes
    output_tokens: int
    price: int


@dataclass(frozen=True)
class Batch:
    """Where the receipt lies; `count` is None where nobody says it."""

    root: bytes
    index: int
    proof: Sequence[bytes]
    count: int | None


@dataclass(frozen=True)
class Claim:
    """Everything that a verdict needs; None for what the file does not say."""

    job: Job
    receipt: Receipt
    prompt: tuple[int, ...]
    output: tuple[int, ...]
    salt: bytes
    chain: tuple[int, bytes] | None
    job_signature: bytes | None
    receipt_signature: bytes | None
    batch: Batch | None


def read_claim(path: Path, chain_id: int | None, settlement: str | None, root: str | None) -> Claim:
    """The claim in a file; what the arguments say goes before what the file says.

    Raises:
        Malformed: a field is missing or not what it should be.
    """
    document = parsed(path)
    given = {"chain_id": chain_id, "settlement": settlement}
    document |= {name: value for name, value in given.items() if value is not None}
    return Claim(
        job=Job(**_struct(document, "job", JOB)),
        receipt=Receipt(**_struct(document, "receipt", RECEIPT)),
        prompt=integers(document, "prompt", 0, U32),
        output=integers(document, "output", -(2**31), U32),
        salt=hexed(document, "salt", 32),
        chain=_chain(document),
        job_signature=_optional(document, "signature"),
        receipt_signature=_optional(document, "receipt_signature"),
        batch=_batch(document, root),
    )


def check_data(claim: Claim, model: Model) -> list[str]:
    """What there was nothing to check with; rules 1 to 5 of "When a claim is right".

    Raises:
        OtherClaim: prompt, output, job, receipt and model are not one claim's.
    """
    job, receipt = claim.job, claim.receipt
    unchecked = _check_statement(claim)
    if model.root != job.model_root:
        raise OtherClaim(f"the job is of model 0x{job.model_root.hex()}, not 0x{model.root.hex()}")
    if token_list(claim.prompt, claim.salt, PROMPT) != job.prompt_root:
        raise OtherClaim("the prompt is not the one of the job")
    if not model.embeds and (
        min(claim.output, default=0) < 0
        or token_list(claim.output, claim.salt, OUTPUT) != receipt.output_root
    ):
        raise OtherClaim("the output is not the one of the receipt")
    if not claim.prompt or max(claim.prompt) >= model.vocab_size:
        raise OtherClaim("the prompt is empty or has a token outside the vocabulary")
    return unchecked


def payment_faults(claim: Claim) -> list[str]:
    """Why the claim would not be paid, were it right; as far as the file tells."""
    job, receipt = claim.job, claim.receipt
    faults = []
    if receipt.price != job.price(receipt.output_tokens):
        faults.append(f"the price is {receipt.price}, not {job.price(receipt.output_tokens)}")
    if receipt.price > job.max_price:
        faults.append(f"the price {receipt.price} is above the cap of {job.max_price}")
    if claim.chain is not None and claim.job_signature is not None:
        message = digest("Job", JOB, astuple(job), *claim.chain)
        if signer(message, claim.job_signature) != job.consumer:
            faults.append("the job is signed by no key of the consumer's; a contract may have")
    return faults


def _check_statement(claim: Claim) -> list[str]:
    """Whether the provider said this of this job."""
    job, receipt = claim.job, claim.receipt
    unchecked = []
    if claim.chain is None:
        unchecked.append("that the receipt is of this job: chain id and settlement are not given")
    elif digest("Job", JOB, astuple(job), *claim.chain) != receipt.job_id:
        raise OtherClaim("the job is not the one of the receipt")
    signed = claim.chain is not None and claim.receipt_signature is not None
    if claim.batch is None and not signed:
        unchecked.append("that the provider made this claim: neither batch nor signature is given")
    if claim.batch is not None:
        _check_batch(claim.batch, receipt)
    if claim.chain is not None and claim.receipt_signature is not None:
        message = digest("Receipt", RECEIPT, astuple(receipt), *claim.chain)
        if signer(message, claim.receipt_signature) != job.provider:
            raise OtherClaim(f"the receipt is not signed by 0x{job.provider.hex()}")
    return unchecked


def _check_batch(batch: Batch, receipt: Receipt) -> None:
    count = 1 << len(batch.proof) if batch.count is None else batch.count
    placed = batch.index < count and depth_of(count) == len(batch.proof)
    if (
        not placed
        or climbed(sha(10, words(*astuple(receipt))), batch.index, batch.proof) != batch.root
    ):
        raise OtherClaim("the receipt is not in the batch at this index")


def _struct(document: Document, name: str, fields: Fields) -> dict[str, Any]:
    struct = member(document, name, dict)
    unknown = set(struct) - {one for one, _ in fields}
    if unknown:
        raise Malformed(f"{name} has the unknown field {min(unknown)!r}")
    return {one: field(struct, one, kind) for one, kind in fields}


def _optional(document: Document, name: str) -> bytes | None:
    return None if document.get(name) is None else hexed(document, name, None)


def _chain(document: Document) -> tuple[int, bytes] | None:
    if document.get("chain_id") is None or document.get("settlement") is None:
        return None
    return number(document, "chain_id", 2**256 - 1), hexed(document, "settlement", 20)


def _batch(document: Document, root: str | None) -> Batch | None:
    """From an object of its own, as gateways give it, or from beside the rest."""
    nested = document.get("batch")
    source = dict(nested if isinstance(nested, dict) else document)
    if root is not None:
        source["root"] = root
    if source.get("root") is None or source.get("proof") is None:
        return None
    proof = [hexed({"proof": item}, "proof", 32) for item in member(source, "proof", list)]
    count = number(source, "count", U32) if source.get("count") is not None else None
    return Batch(hexed(source, "root", 32), number(source, "index", U32), proof, count)
