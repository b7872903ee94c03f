"""What has become of a job: the provider's word, checked against the chain.

The answer holds everything that recomputes the claim (tokens, salt, job, seed), so that `assay
verify` needs nobody's trust, and nothing that was not checked here first.
"""

from __future__ import annotations

from typing import Any

from fastapi.concurrency import run_in_threadpool

from assay.chain.settlement import ClaimStatus
from assay.core import logs
from assay.core.errors import AssayError, InputError, UpstreamError
from assay.core.hashes import receipt_leaf
from assay.core.merkle import root_from_path
from assay.core.types import Receipt
from assay.core.wire import (
    ClaimData,
    hexed,
    parse_bytes,
    parse_proof,
    parse_receipt,
    to_json,
)
from assay.gateway.desk import Desk
from assay.gateway.store import Answered, SignedJob
from assay.gateway.upstream import check_answer, fetch_claim, fetch_job


async def receipt(desk: Desk, job_id: bytes) -> dict[str, Any]:
    """The JSON of `GET /v1/receipts/{id}`; InputError (404) for a job of somebody else."""
    found = await desk.store.find(job_id)
    if found is None:
        raise not_found(job_id)
    signed, answered = found
    batch = await desk.store.batch(job_id)
    claim = await run_in_threadpool(_claim, desk, batch) if batch else None
    if answered is None or claim is None or not claim["challenge_until"]:
        # Not posted yet when somebody last asked, or undone since by a reorganisation.
        answered, batch = await ask_provider(desk, signed, answered)
        claim = await run_in_threadpool(_claim, desk, batch) if batch else None
    return _body(desk, signed, answered, batch, claim)


def not_found(job_id: bytes) -> InputError:
    return InputError(
        f"no receipt {hexed(job_id)}; ids are in the x-assay-receipt header of answers",
        code="receipt_not_found",
        status=404,
    )


async def ask_provider(
    desk: Desk, signed: SignedJob, answered: Answered | None
) -> tuple[Answered | None, dict[str, Any] | None]:
    """Fetch and check what we do not know yet: the batch, and an answer whose stream broke."""
    status = await fetch_job(desk.client, signed.provider_url, signed.job_id)
    if status is None or not status.get("batch"):
        return answered, None
    try:
        statement = parse_receipt(status.get("receipt"))
        batch = await run_in_threadpool(_checked_batch, desk, status["batch"], statement)
        if batch is not None and answered is None:
            answered = await _recover(desk, signed, batch, status)
    except AssayError as error:
        logs.warning("receipt_unproven", job=signed.job_id, error=error.message)
        return answered, None
    if answered is None or batch is None or statement != answered.receipt:
        return answered, None
    await desk.store.set_batch(signed.job_id, batch)
    return answered, batch


async def _recover(
    desk: Desk, signed: SignedJob, batch: dict[str, Any], status: dict[str, Any]
) -> Answered:
    """An answer whose stream broke, from the claim's public data."""
    value = await fetch_claim(desk.client, signed.provider_url, batch["batch_id"], batch["index"])
    signature = parse_bytes(status.get("receipt_signature"), "receipt_signature")
    data = ClaimData.parse(value)
    answered = Answered(data.output, data.receipt, signature)
    registered = await desk.registered(signed.job.model_root)
    if registered is None:
        raise UpstreamError(f"model {hexed(signed.job.model_root)} is not registered")
    chain_id, settlement = desk.network.chain_id, desk.network.settlement.address
    check_answer(signed, answered, registered.model, chain_id, settlement)
    await desk.store.answer(signed.job_id, answered)
    found = answered.receipt
    # It was denied before, and the job released.
    await desk.store.charge(signed.job_id, signed.job.provider, found.price, found.output_tokens)
    return answered


def _checked_batch(desk: Desk, given: Any, statement: Receipt) -> dict[str, Any] | None:
    """The batch if it is on chain and the receipt is in it; None if it is not there yet."""
    try:
        batch_id = parse_bytes(given["batch_id"], "batch_id", 32)
        index, proof = int(given["index"]), parse_proof(given["proof"], "proof")
        transaction = given.get("transaction")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UpstreamError(f"a malformed batch: {error!r}") from error
    on_chain = desk.network.settlement.batch(batch_id)
    if not on_chain.posted_at:
        return None
    if root_from_path(receipt_leaf(statement), index, proof) != on_chain.root:
        raise UpstreamError(f"the receipt is not in batch {hexed(batch_id)} at {index}")
    return {
        "batch_id": hexed(batch_id),
        "root": hexed(on_chain.root),
        "count": on_chain.count,
        "index": index,
        "proof": [hexed(item) for item in proof],
        "posted_at": on_chain.posted_at,
        "transaction": str(transaction) if transaction else None,
    }


def _claim(desk: Desk, batch: dict[str, Any]) -> dict[str, Any]:
    """The claim's state on chain now: time and games first, for if the claim ends meanwhile, its
    status is what counts."""
    settlement, game = desk.network.settlement, desk.network.game
    batch_id = bytes.fromhex(batch["batch_id"][2:])
    claim_id = settlement.claim_id(batch_id, batch["index"])
    now, open_games = desk.network.now(), game.open_games(claim_id)
    return {
        "claim_id": hexed(claim_id),
        "status": settlement.status(batch_id, batch["index"]).name.lower(),
        "challenge_until": settlement.challenge_until(batch_id),
        "open_games": open_games,
        "chain_time": now,
    }


def _body(
    desk: Desk,
    signed: SignedJob,
    answered: Answered | None,
    batch: dict[str, Any] | None,
    claim: dict[str, Any] | None,
) -> dict[str, Any]:
    return {
        "id": hexed(signed.job_id),
        "object": "assay.receipt",
        "status": _status(answered, claim),
        "chain_id": desk.network.chain_id,
        "settlement": desk.network.settlement.address,
        "model": signed.model,
        "model_root": hexed(signed.job.model_root),
        "provider": signed.job.provider,
        "provider_url": signed.provider_url,
        "job": to_json(signed.job),
        "signature": hexed(signed.signature),
        "salt": hexed(signed.salt),
        "prompt": list(signed.prompt),
        "output": list(answered.output) if answered else None,
        "receipt": to_json(answered.receipt) if answered else None,
        "receipt_signature": hexed(answered.signature) if answered else None,
        "batch": batch,
        "claim": claim,
    }


def _status(answered: Answered | None, claim: dict[str, Any] | None) -> str:
    if claim is None:
        return "unposted" if answered else "running"
    if claim["status"] != ClaimStatus.OPEN.name.lower():
        return str(claim["status"])
    if claim["open_games"]:
        return "disputed"
    return "posted" if claim["chain_time"] <= claim["challenge_until"] else "unfinalised"
