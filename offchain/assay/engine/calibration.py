"""Where the binary points go: chosen once from a calibration text, kept as integers.

The ranges come from a float forward pass, whose last bits differ between machines. So the
choice is written beside the checkpoint as `exact.json`, and read from there ever after: with it,
the import is a function of integers and of single IEEE operations, and everybody derives the
same model root.
"""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch

from assay.core.errors import ModelError
from assay.engine.checkpoint import EMBEDDING, Checkpoint
from assay.engine.float_model import FloatModel

FILE_NAME = "exact.json"
TEXT_NAME = "calibration.txt"
FORMAT = 1
PEAK_BITS = 26
"""Calibrated peaks lie below 2**26: 32 times short of int32 saturation, 25 bits of resolution."""
VALUE_PEAK_BITS = 11
"""Values kept in the cache lie below 2**11: 16 times short of int16 saturation."""
MAX_FRACTION = 30
MAX_RESIDUAL_FRACTION = 24


@dataclass(frozen=True)
class Calibration:
    """Fraction bits by tensor name, and what they were derived from.

    Names are those that `FloatModel` observes: "residual", "logits", "0.q", "0.product", …;
    "0.v_kept" is the int16 form of "0.v", "embedding" the int16 table.
    """

    fraction_bits: dict[str, int]
    checkpoint_sha256: str
    text_sha256: str
    text_tokens: int
    feedback_width: int
    """Linear layers wider than this are rounded to nearest: feedback costs width**2 per row."""
    input_bits: dict[str, int] = field(default_factory=dict)
    """Of linear layers' inputs, by the names of `digits.sites`; 16 for those that are missing."""
    format: int = FORMAT


def measure_fractions(equalised: Checkpoint, windows: list[list[int]]) -> dict[str, int]:
    """Fraction bits from the largest magnitudes that a float pass over `windows` meets.

    Where logits are capped, the cap counts as well, since it is kept in their units.
    """
    peaks: dict[str, float] = {}

    def observe(name: str, values: torch.Tensor) -> None:
        peaks[name] = max(peaks.get(name, 0.0), float(values.abs().max()))

    table = float(np.abs(equalised.tensors[EMBEDDING]).max())  # of all tokens, met or not
    peaks["embedding"] = peaks["residual"] = table
    peaks["logits"] = equalised.shape.logit_cap or 0.0
    with torch.inference_mode():
        model = FloatModel(equalised)
        for window in windows:
            model.logits(torch.tensor(window), observe)
    return _choose(peaks)


def _choose(peaks: dict[str, float]) -> dict[str, int]:
    fractions = {name: fraction_of(name, peak, PEAK_BITS) for name, peak in peaks.items()}
    for name, peak in peaks.items():
        if name.endswith(".v"):
            fractions[name + "_kept"] = fraction_of(name, peak, VALUE_PEAK_BITS)
    for name in ("residual", "logits"):
        fractions[name] = min(fractions[name], MAX_RESIDUAL_FRACTION)
    fractions["embedding"] = min(
        fraction_of("embedding", peaks["embedding"], 15), fractions["residual"]
    )
    return fractions


def fraction_of(name: str, peak: float, bits: int) -> int:
    """Largest f <= MAX_FRACTION with peak * 2**f <= 2**bits."""
    if not math.isfinite(peak):
        raise ModelError(
            f"{name} reaches {peak} on the calibration text; the checkpoint is damaged"
        )
    fraction = min(bits - math.frexp(peak)[1], MAX_FRACTION)
    if fraction < 0:
        raise ModelError(
            f"{name} reaches {peak:.3g} on the calibration text; the limit is 2**{bits}"
        )
    return fraction


def save(calibration: Calibration, folder: Path) -> None:
    """Write `exact.json` in one step, since others may be reading; OSError if not allowed to."""
    text = json.dumps(asdict(calibration), indent=2, sort_keys=True) + "\n"
    draft = folder / f"{FILE_NAME}.{os.getpid()}"
    draft.write_text(text)
    draft.replace(folder / FILE_NAME)


def load(folder: Path, checkpoint_sha256: str) -> Calibration | None:
    """The record beside a checkpoint, None if there is none.

    Raises:
        ModelError: the record is malformed or was made for other weights.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        fields: dict[str, Any] = json.loads(path.read_bytes())
        calibration = Calibration(**fields)
        fractions, inputs = (
            {str(name): int(value) for name, value in part.items()}
            for part in (calibration.fraction_bits, calibration.input_bits)
        )
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} is malformed ({error}); delete it and import again") from error
    if calibration.format != FORMAT:
        raise ModelError(
            f"{path} has format {calibration.format}, this release reads {FORMAT}; "
            "delete it and import again"
        )
    if calibration.checkpoint_sha256 != checkpoint_sha256:
        raise ModelError(
            f"{path} was made for weights {calibration.checkpoint_sha256[:16]}…, these are "
            f"{checkpoint_sha256[:16]}…; delete it and import again"
        )
    return replace(calibration, fraction_bits=fractions, input_bits=inputs)


def checkpoint_hash(folder: Path) -> str:
    """SHA-256 over config.json and all safetensors files, in the order of their names."""
    digest = sha256()
    for path in [folder / "config.json", *sorted(folder.glob("*.safetensors"))]:
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()
