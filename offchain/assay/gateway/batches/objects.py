"""OpenAI's batch objects, and what a request to make one may say. Pure."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from assay.core.errors import InputError
from assay.gateway.accounts.caller import Caller
from assay.gateway.batches.lines import ENDPOINTS
from assay.gateway.batches.rows import Batch, Counts
from assay.gateway.fields import bad_value, checked_text

WINDOW, WINDOW_SECONDS = "24h", 86_400
MAX_METADATA, MAX_KEY, MAX_VALUE = 16, 64, 512
_KNOWN = ("input_file_id", "endpoint", "completion_window", "metadata")


def owner_of(caller: Caller) -> str:
    """Whose files and batches these are: of callers without a key, by their network address."""
    return caller.owner or caller.address


def new_batch(body: Mapping[str, Any], caller: Caller) -> Batch:
    """The batch that is asked for, not yet stored; InputError names the field that is wrong."""
    for name, value in body.items():
        if name not in _KNOWN and value is not None:
            raise InputError(
                f"Unrecognized request argument supplied: {name}",
                code="unknown_parameter",
                param=name,
            )
    if body.get("endpoint") not in ENDPOINTS:
        raise bad_value("endpoint", f"expected one of {', '.join(ENDPOINTS)}")
    if body.get("completion_window") != WINDOW:
        raise bad_value("completion_window", f"expected {WINDOW}")
    if not isinstance(body.get("input_file_id"), str):
        raise bad_value("input_file_id", "expected the id of a file with purpose batch")
    metadata, now = checked_metadata(body.get("metadata")), int(time.time())
    return Batch(
        batch_id=f"batch_{secrets.token_hex(12)}",
        owner=owner_of(caller),
        account=caller.owner,
        key_id=caller.key_id,
        endpoint=str(body["endpoint"]),
        input_file=str(body["input_file_id"]),
        metadata=None if metadata is None else json.dumps(metadata),
        status="validating",
        errors=None,
        output_file=None,
        error_file=None,
        created=now,
        expires=now + WINDOW_SECONDS,
        in_progress=None,
        finalizing=None,
        cancelling=None,
        ended=None,
    )


def batch_object(batch: Batch, counts: Counts) -> dict[str, Any]:
    errors = {"object": "list", "data": json.loads(batch.errors)} if batch.errors else None
    ends = {
        f"{status}_at": batch.ended if batch.status == status else None
        for status in ("completed", "failed", "expired", "cancelled")
    }
    return {
        "id": batch.batch_id,
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": errors,
        "input_file_id": batch.input_file,
        "completion_window": WINDOW,
        "status": batch.status,
        "output_file_id": batch.output_file,
        "error_file_id": batch.error_file,
        "created_at": batch.created,
        "in_progress_at": batch.in_progress,
        "expires_at": batch.expires,
        "finalizing_at": batch.finalizing,
        "cancelling_at": batch.cancelling,
        **ends,
        "request_counts": vars(counts),
        "metadata": json.loads(batch.metadata) if batch.metadata else None,
    }


def checked_metadata(value: object) -> dict[str, str] | None:
    """Up to 16 short texts by short names, as OpenAI's APIs have it."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or len(value) > MAX_METADATA:
        raise bad_value("metadata", f"expected an object of at most {MAX_METADATA} texts")
    for key, text in value.items():
        if not isinstance(text, str) or len(key) > MAX_KEY or len(text) > MAX_VALUE:
            raise bad_value(
                f"metadata.{key[:MAX_KEY]}",
                f"keys have at most {MAX_KEY} characters, values are texts of at most {MAX_VALUE}",
            )
        checked_text(f"{key}={text}", f"metadata.{key[:MAX_KEY]}")
    return dict(value)
