"""From a checkpoint folder to the integer model: read, equalise, calibrate, quantise.

    read_checkpoint -> equalise -> fraction bits (from exact.json, or measured and written there)
                    -> nearest rounding -> input statistics of the exact engine
                    -> rounding with error feedback -> bits of the inputs (from exact.json)

Each arrow but the measuring is bit-deterministic, so that everybody who has the checkpoint and its
`exact.json` derives the same integers, and the same model root.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Literal

from assay.core.errors import InputError, ModelError
from assay.engine import calibration as records
from assay.engine.backends import make_backend
from assay.engine.backends.base import pages_for
from assay.engine.calibration import Calibration
from assay.engine.checkpoint import Checkpoint, read_checkpoint
from assay.engine.digits import Comparison, choose, eight_bits, sites, with_input_bits
from assay.engine.equalise import equalise
from assay.engine.feedback import Collector
from assay.engine.forward import Decoder, Segment
from assay.engine.quantise import quantise
from assay.engine.texts import first_tokens, token_windows
from assay.engine.tokenizer import Tokenizer
from assay.exact.model import ExactModel

LOGGER = logging.getLogger(__name__)
SHIPPED_MODEL = Path(__file__).parents[1] / "models" / "pydoc-4m"
CALIBRATION_TOKENS = 2048
"""Tokens of the text that are used: more of them changed nothing measurable."""
FEEDBACK_WIDTH = 2048


Digits = Literal["auto", "16", "8"]
Progress = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done."""


def unreported(what: str, share: float) -> None:
    """A `Progress` that nobody looks at."""


def import_checkpoint(
    path: Path | str, progress: Progress = unreported, digits: Digits | None = None
) -> ExactModel:
    """The integer model of a Hugging Face checkpoint folder.

    Reads `exact.json` beside it; without one, measures ranges on `calibration.txt` (the shipped
    model's, if the folder has none) and writes it.

    Args:
        digits: bits of linear layers' inputs: "16" or "8" everywhere, "auto" as `digits.choose`
            measures; written to the record. None keeps what the record says, 16 if nothing.

    Raises:
        ModelError: the checkpoint or its record is missing, damaged or unsupported.
    """
    folder = Path(path)
    progress("reading", 0)
    checkpoint = read_checkpoint(folder)
    digest = records.checkpoint_hash(folder)
    progress("equalising channels", 0)
    equalised = equalise(checkpoint)
    calibration = records.load(folder, digest)
    if calibration is None:
        progress("measuring ranges", 0)
        calibration = calibrate(equalised, folder, digest)
        write(calibration, folder)
    model = quantise_calibrated(equalised, calibration, folder, progress)
    if digits is None:
        return model
    chosen = _input_bits(digits, model, equalised, folder, calibration, progress)
    if chosen != calibration.input_bits:
        write(replace(calibration, input_bits=chosen), folder)
    return with_input_bits(model, chosen)


def _input_bits(
    digits: Digits,
    model: ExactModel,
    equalised: Checkpoint,
    folder: Path,
    calibration: Calibration,
    progress: Progress,
) -> dict[str, int]:
    if digits != "auto":
        return eight_bits(sites(model.shape)) if digits == "8" else {}
    progress("running the float model", 0)
    windows = _windows(equalised, folder, _text(calibration, folder), calibration.text_tokens)
    return choose(model, Comparison(equalised, windows), progress)


def calibrate(equalised: Checkpoint, folder: Path, checkpoint_sha256: str) -> Calibration:
    """Choose the fraction bits of an equalised checkpoint from its calibration text."""
    text = text_paths(folder)[0].read_bytes()
    return Calibration(
        fraction_bits=records.measure_fractions(
            equalised, _windows(equalised, folder, text, CALIBRATION_TOKENS)
        ),
        checkpoint_sha256=checkpoint_sha256,
        text_sha256=sha256(text).hexdigest(),
        text_tokens=CALIBRATION_TOKENS,
        feedback_width=FEEDBACK_WIDTH,
    )


def quantise_calibrated(
    equalised: Checkpoint,
    calibration: Calibration,
    folder: Path,
    progress: Progress = unreported,
) -> ExactModel:
    """Nearest rounding first, to learn each layer's inputs; then rounding with feedback.

    Inputs are of 16 bits until the end, so that the weights are the same whatever the record says.
    """
    progress("rounding to nearest", 0)
    nearest = quantise(equalised, calibration)
    windows = _windows(equalised, folder, _text(calibration, folder), calibration.text_tokens)
    collector = Collector(calibration.feedback_width)
    decoder = Decoder(make_backend(nearest), collector)
    for index, window in enumerate(windows):
        progress("looking at layers' inputs", index / len(windows))
        cache = decoder.new_cache(pages_for(len(window)))
        decoder.logits(decoder.hidden(cache, [Segment(range(cache.pages), 0, window)]))
    progress("rounding with error feedback", 0)
    rounded = quantise(equalised, calibration, collector.products())
    return with_input_bits(rounded, calibration.input_bits)


def _windows(checkpoint: Checkpoint, folder: Path, text: bytes, limit: int) -> list[list[int]]:
    shape = checkpoint.shape
    tokenizer = Tokenizer.of_checkpoint(folder)
    try:
        windows = token_windows(tokenizer, text, shape.context, shape.eos_tokens)
    except InputError as error:
        raise ModelError(f"the calibration text cannot be used: {error}") from error
    return first_tokens(windows, limit)


def _text(calibration: Calibration, folder: Path) -> bytes:
    """The calibration text that a record names."""
    for path in text_paths(folder):
        text = path.read_bytes()
        if sha256(text).hexdigest() == calibration.text_sha256:
            return text
    raise ModelError(
        f"{folder / records.FILE_NAME} names a calibration text {calibration.text_sha256[:16]}… "
        f"that is not {folder / records.TEXT_NAME}; restore the text, or delete the record and "
        "import again"
    )


def text_paths(folder: Path) -> list[Path]:
    places = [folder / records.TEXT_NAME, SHIPPED_MODEL / records.TEXT_NAME]
    return [path for path in places if path.is_file()]


def write(calibration: Calibration, folder: Path) -> None:
    try:
        records.save(calibration, folder)
    except OSError as error:
        LOGGER.warning(
            "cannot write %s (%s): the ranges will be measured again, and may come out "
            "different on another machine",
            folder / records.FILE_NAME,
            error.strerror,
        )
