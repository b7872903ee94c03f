"""`assay verify`: was an answer the model's? Recomputed here, trusting nobody."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import output
from assay.core.errors import InputError

if TYPE_CHECKING:
    from assay.core.types import Job, Model
    from assay.exact.encoder import EncoderModel
    from assay.exact.model import ExactModel
    from assay.trace.commitment import Commitment

GATEWAY = "http://127.0.0.1:8100"
_WHAT = {False: "every token is the one", True: "the embedding is the one"}


def verify(
    receipt_id: Annotated[str, typer.Argument(help="From the x-assay-receipt header.")],
    gateway: Annotated[str, typer.Option(envvar="ASSAY_GATEWAY_URL")] = GATEWAY,
    model: Annotated[Path | None, typer.Option(help="Checkpoint; default: the shipped.")] = None,
    key: Annotated[
        str | None, typer.Option(envvar="ASSAY_API_KEY", help="Yours, if the answer cost you.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Recompute an answer on this machine: true (exit code 0) or false (1)."""
    from assay.demo.consumer import fetch_receipt

    verdict = judge(fetch_receipt(gateway.rstrip("/"), receipt_id, key), receipt_id, model)
    if as_json:
        output.print_json(verdict)
    else:
        output.print_fields("receipt", {k: v for k, v in verdict.items() if k != "valid"})
        output.stdout.print("true" if verdict["valid"] else "false")
    if not verdict["valid"]:
        raise typer.Exit(output.REFUTED)


def judge(answer: Mapping[str, Any], receipt_id: str, model: Path | None) -> dict[str, Any]:
    """Every check in turn; the first that fails is the reason."""
    from assay.core.wire import parse_bytes, parse_job, parse_output, parse_receipt, parse_tokens

    if answer.get("receipt") is None:
        raise InputError(
            f"receipt {receipt_id} is {answer.get('status')}: there is no answer yet to verify",
            code="not_answered",
        )
    job, receipt = parse_job(answer["job"]), parse_receipt(answer["receipt"])
    claim = {
        "job": job,
        "receipt": receipt,
        "prompt": tuple(parse_tokens(answer["prompt"], "prompt")),
        "output": tuple(parse_output(answer["output"], "output")),
        "salt": parse_bytes(answer["salt"], "salt", 32),
        "signature": parse_bytes(answer["receipt_signature"], "receipt_signature"),
        "chain_id": int(answer["chain_id"]),
        "settlement": str(answer["settlement"]),
        "id": parse_bytes(receipt_id, "receipt id", 32),
    }
    exact, commitment = _committed(job, model)
    header = commitment.header
    reason = commitment_fault(claim, header) or computation_fault(claim, header, exact)
    return {
        "receipt_id": receipt_id,
        "provider": job.provider,
        "model_root": job.model_root,
        "output_tokens": receipt.output_tokens,
        "price_micro_usd": receipt.price,
        "status": answer.get("status"),
        "reason": reason or f"{_WHAT[header.embeds]} that the model yields",
        "valid": reason is None,
    }


def commitment_fault(claim: Mapping[str, Any], model: Model) -> str | None:
    """What is wrong between the output shown, the signed job and the signed receipt."""
    from assay.core.hashes import PROMPT_SIDE, job_id
    from assay.core.outputs import output_count, output_root
    from assay.core.signing import receipt_signer
    from assay.core.tokens import TokenList

    job, receipt = claim["job"], claim["receipt"]
    chain_id, settlement = claim["chain_id"], claim["settlement"]
    if not job_id(job, chain_id, settlement) == receipt.job_id == claim["id"]:
        return "the job is not the receipt's"
    if TokenList(claim["prompt"], claim["salt"], PROMPT_SIDE).root != job.prompt_root:
        return "the prompt is not the one of the job"
    if output_root(model, claim["output"], claim["salt"]) != receipt.output_root:
        return "the output is not the one of the receipt"
    if receipt_signer(receipt, claim["signature"], chain_id, settlement) != job.provider:
        return f"the receipt is not signed by {job.provider}"
    price = job.price(output_count(model, claim["output"]))
    return None if receipt.price == price else f"the price {receipt.price} is not {price}"


def computation_fault(
    claim: Mapping[str, Any], header: Model, exact: ExactModel | EncoderModel
) -> str | None:
    """Where the answer departs from what the model yields."""
    from assay.challenger.audit import audit, audit_embedding
    from assay.core.wire import ClaimData
    from assay.engine.encoder import Encoder
    from assay.engine.engine import Engine
    from assay.exact.encoder import EncoderModel

    data = ClaimData(
        batch_id=bytes(32),
        index=0,
        job=claim["job"],
        signature=claim["signature"],
        receipt=claim["receipt"],
        proof=(),
        prompt=claim["prompt"],
        output=claim["output"],
        salt=claim["salt"],
    )
    if isinstance(exact, EncoderModel):
        wrong = audit_embedding(data, header, Encoder.ready(exact))
        return wrong.reason if wrong else None
    finding = audit(data, header, Engine(exact))
    return f"output token {finding.token_index}: {finding.reason}" if finding else None


def _committed(job: Job, path: Path | None) -> tuple[ExactModel | EncoderModel, Commitment]:
    """The job's model from a local checkpoint; InputError if that is another."""
    from assay.engine.importer import SHIPPED_MODEL
    from assay.engine.load import import_model
    from assay.trace.commitment import commit

    exact = import_model(path or SHIPPED_MODEL)
    commitment = commit(exact)
    if commitment.model_root != job.model_root:
        raise InputError(
            f"the answer is of model 0x{job.model_root.hex()}, the local one is "
            f"0x{commitment.model_root.hex()}; name the right checkpoint with --model",
            code="other_model",
        )
    return exact, commitment
