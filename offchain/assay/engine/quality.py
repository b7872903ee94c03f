"""How close the exact model is to its float original, plain and under outlier stress.

Both run over the same held-out text. The float model is the checkpoint's own, in float32; stress
leaves its function unchanged, so one float run is the reference of all. A stressed checkpoint
goes through the whole import again. Where that yields the very same integers as the plain one,
its figures are the plain ones' and are not computed twice.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from assay.core.errors import InputError, ModelError
from assay.engine.agreement import Tally
from assay.engine.calibration import checkpoint_hash
from assay.engine.checkpoint import Checkpoint, read_checkpoint
from assay.engine.digits import input_bits
from assay.engine.engine import Engine
from assay.engine.equalise import equalise, stress
from assay.engine.float_model import FloatModel
from assay.engine.importer import (
    SHIPPED_MODEL,
    Progress,
    calibrate,
    import_checkpoint,
    quantise_calibrated,
    unreported,
)
from assay.engine.memory import expected
from assay.engine.texts import token_windows
from assay.engine.tokenizer import Tokenizer
from assay.exact.model import ExactModel, Linear, Norm

TEXT_NAME = "heldout.txt"
STRESS_LIMITS = (30.0, 1000.0)
RATIO_BAR = 1.005
TOP1_BAR = 0.99
STRESSED_TOP1_BAR = 0.98

_MODEL_PARTS = (
    "embedding",
    "embedding_shift",
    "final_norm",
    "head",
    "logit_fraction",
    "final_input_bits",
    "rope",
    "gumbel",
)


@dataclass(frozen=True)
class Variant:
    """One exact model against the float one.

    Attributes:
        stress: largest factor that channels were scaled by; 1 is the checkpoint as it is.
        perplexity: of the exact model.
        ratio: to the float model's perplexity.
        top1_agreement: share of positions with the same most likely token.
        logit_error: root mean square difference of logits, each row's mean taken out.
        same_integers: the import gave the plain checkpoint's integers, all of them.
        passes: whether ratio and agreement meet the project's bars.
    """

    stress: float
    perplexity: float
    ratio: float
    top1_agreement: float
    logit_error: float
    same_integers: bool
    passes: bool


@dataclass(frozen=True)
class QualityReport:
    """The figures of `assay model check`."""

    model: str
    text: str
    positions: int
    float_perplexity: float
    checkpoint_bytes: int
    exact_bytes: int
    expected_bytes: int
    variants: tuple[Variant, ...]
    seconds: float

    @property
    def passes(self) -> bool:
        """Whether every variant meets its bars."""
        return all(variant.passes for variant in self.variants)


def check(
    path: Path | str,
    text: Path | None = None,
    max_positions: int | None = None,
    limits: Sequence[float] = STRESS_LIMITS,
    progress: Progress = unreported,
) -> QualityReport:
    """Measure a checkpoint.

    Args:
        path: Hugging Face checkpoint folder.
        text: UTF-8 file, None for the folder's `heldout.txt` or else the shipped model's.
        max_positions: stop after so many tokens; None reads the whole text.
        limits: outlier stresses to measure besides the plain checkpoint.

    Raises:
        ModelError: the checkpoint cannot be imported.
        InputError: the text is missing, not UTF-8, or too short.
    """
    began = time.monotonic()
    folder = Path(path)
    checkpoint = read_checkpoint(folder)
    source = text or default_text(folder)
    windows = text_windows(checkpoint, folder, source, max_positions)
    models = [import_checkpoint(folder, progress)]
    bits = input_bits(models[0])
    for index, limit in enumerate(limits, 1):
        progress(f"importing under stress {limit:g}", 0)
        models.append(import_stressed(stress(checkpoint, limit, seed=index), folder, bits))
    tallies = _measure(checkpoint, models, windows, progress)
    base = tallies[0]
    return QualityReport(
        model=checkpoint.name,
        text=source.name,
        positions=base.positions,
        float_perplexity=base.float_perplexity,
        checkpoint_bytes=sum(file.stat().st_size for file in folder.glob("*.safetensors")),
        exact_bytes=model_bytes(models[0]),
        expected_bytes=expected(models[0]).total,
        variants=tuple(
            _variant(limit, tally, same_integers(models[0], model))
            for limit, tally, model in zip((1.0, *limits), tallies, models, strict=True)
        ),
        seconds=time.monotonic() - began,
    )


def default_text(folder: Path) -> Path:
    """The held-out text of a checkpoint folder, or else the shipped model's."""
    own = folder / TEXT_NAME
    return own if own.is_file() else SHIPPED_MODEL / TEXT_NAME


def text_windows(
    checkpoint: Checkpoint, folder: Path, source: Path, max_positions: int | None
) -> list[list[int]]:
    """A text's windows, see `texts.token_windows`, of at most so many positions in all."""
    try:
        text = source.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror}; give a UTF-8 text") from error
    shape = checkpoint.shape
    tokenizer = Tokenizer.of_checkpoint(folder)
    windows, left = [], math.inf if max_positions is None else max_positions
    for window in token_windows(tokenizer, text, shape.context, shape.eos_tokens):
        if left > 0:
            windows.append(window[: int(min(left, len(window))) + 1])
            left -= len(windows[-1]) - 1
    if not windows:
        raise InputError(f"{source} has no two tokens to measure on; give a longer text")
    return windows


def import_stressed(checkpoint: Checkpoint, folder: Path, bits: dict[str, int]) -> ExactModel:
    """A changed checkpoint of a folder through the whole import, its ranges measured anew; inputs
    of so many bits by site."""
    equalised = equalise(checkpoint)
    calibration = calibrate(equalised, folder, checkpoint_hash(folder))
    return quantise_calibrated(equalised, replace(calibration, input_bits=bits), folder)


def _variant(limit: float, tally: Tally, same: bool) -> Variant:
    bar = TOP1_BAR if limit == 1 else STRESSED_TOP1_BAR
    return Variant(
        stress=limit,
        perplexity=tally.perplexity,
        ratio=tally.ratio,
        top1_agreement=tally.top1_agreement,
        logit_error=tally.logit_error,
        same_integers=same,
        passes=tally.ratio <= RATIO_BAR and tally.top1_agreement >= bar,
    )


def _measure(
    checkpoint: Checkpoint, models: list[ExactModel], windows: list[list[int]], report: Progress
) -> list[Tally]:
    """One tally per model; models with the integers of an earlier one share its tally."""
    first = [next(i for i, m in enumerate(models) if same_integers(m, model)) for model in models]
    engines = {i: Engine(models[i]) for i in sorted(set(first))}
    tallies = {i: Tally() for i in engines}
    original = FloatModel(checkpoint)
    for done, window in enumerate(windows):
        report("measuring", done / len(windows))
        targets = torch.tensor(window[1:])
        with torch.inference_mode():
            expected = original.logits(torch.tensor(window[:-1])).to(torch.float64)
        if not expected.isfinite().all():
            raise ModelError(f"{checkpoint.name}: the float model overflows; it is damaged")
        for index, engine in engines.items():
            scale = 2.0 ** -models[index].logit_fraction
            found = torch.from_numpy(engine.logits(window[:-1])).to(torch.float64) * scale
            tallies[index].add(expected, found, targets)
    return [tallies[i] for i in first]


def same_integers(one: ExactModel, other: ExactModel) -> bool:
    """Whether two models compute the same function, integer for integer."""
    return all(np.array_equal(a, b) for a, b in zip(_integers(one), _integers(other), strict=True))


def model_bytes(model: ExactModel) -> int:
    """Bytes of all weights and tables."""
    return sum(part.nbytes for part in _integers(model) if part.ndim)


def _integers(model: ExactModel) -> list[NDArray[Any]]:
    """Every number of a model that its function depends on."""
    parts = [getattr(model, name) for name in _MODEL_PARTS]
    for layer in model.layers:
        parts += vars(layer).values()
    flat: list[Any] = []
    for part in parts:
        flat += vars(part).values() if isinstance(part, Linear | Norm) else [part]
    return [np.asarray(part) for part in flat]
