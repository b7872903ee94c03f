"""A model as files for verifiers that share no code with this package: "Files" in exact/SPEC.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from assay.core.errors import InputError
from assay.core.wire import hexed
from assay.trace.builder import Tensor
from assay.trace.commitment import Commitment

FORMAT = "assay-model-1"
DOCUMENT = "model.json"
TENSORS = "tensors.bin"


def write_model(commitment: Commitment, folder: Path) -> int:
    """Write both files, the document last; returns the bytes of the tensors.

    Raises:
        InputError: they cannot be written there.
    """
    program = commitment.program
    text = json.dumps(_document(commitment), indent=1)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / TENSORS).open("wb") as file:
            for tensor in (*program.weights, *program.tables):
                file.write(tensor.values.astype(f">i{tensor.elem_bytes}").tobytes())
            size = file.tell()
        (folder / DOCUMENT).write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror}; name another folder") from error
    return size


def _document(commitment: Commitment) -> dict[str, Any]:
    program, header = commitment.program, asdict(commitment.header)
    return {
        "format": FORMAT,
        "header": {k: hexed(v) if isinstance(v, bytes) else v for k, v in header.items()},
        "steps": [
            {"name": name} | asdict(step)
            for name, step in zip(program.names, program.steps, strict=True)
        ],
        "weights": _shapes(program.weights),
        "tables": _shapes(program.tables),
    }


def _shapes(tensors: Sequence[Tensor]) -> list[dict[str, Any]]:
    return [
        {
            "name": tensor.name,
            "rows": tensor.values.shape[0],
            "width": tensor.values.shape[1],
            "elem_bytes": tensor.elem_bytes,
        }
        for tensor in tensors
    ]
