"""From a checkpoint folder to the integer model of its kind: a decoder's or an encoder's."""

from __future__ import annotations

from pathlib import Path

from assay.core.errors import InputError
from assay.core.settings import ServiceSettings
from assay.engine.checkpoint import parse_object, read_bytes
from assay.engine.encoder_checkpoint import ARCHITECTURE
from assay.engine.encoder_import import import_encoder
from assay.engine.importer import SHIPPED_MODEL, Digits, Progress, import_checkpoint, unreported
from assay.exact.encoder import EncoderModel
from assay.exact.model import ExactModel


def import_model(
    path: Path | str, progress: Progress = unreported, digits: Digits | None = None
) -> ExactModel | EncoderModel:
    """The integer model of a Hugging Face checkpoint folder, whichever it holds.

    digits: see `import_checkpoint`; an encoder's inputs have 16 bits.

    Raises:
        ModelError: the checkpoint or its record is missing, damaged or unsupported.
        InputError: an encoder with other digits was asked for.
    """
    if not is_encoder(path):
        return import_checkpoint(path, progress, digits)
    if digits not in (None, "16"):
        raise InputError(f"digits are {digits}, but an encoder's inputs have 16 bits; leave it out")
    return import_encoder(path)


def model_paths(settings: ServiceSettings) -> list[Path]:
    """The checkpoints that a service is to load."""
    paths = [settings.model_path or SHIPPED_MODEL]
    return paths if settings.encoder_path is None else [*paths, settings.encoder_path]


def is_encoder(path: Path | str) -> bool:
    """Whether the folder's config.json names a sentence encoder."""
    file = Path(path) / "config.json"
    architectures = parse_object(read_bytes(file), file).get("architectures")
    return architectures == [ARCHITECTURE]
