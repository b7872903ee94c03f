"""Models as the second verifier reads them, beside those that they were written from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from assay.engine.engine import Engine
from assay.exact.encoder import EncoderModel
from assay.exact.model import DecoderShape, ExactModel
from assay.trace.commitment import Commitment
from assay.trace.export import write_model
from assay_verifier.model import Model, read_model
from tests.support.models import FULL, SMALL, random_encoder, random_model, with_digits

FRACTION = 18
"""Of logits: so that random ones are close enough for a temperature to matter."""
MANY_LAYERS = replace(FULL, layers=7, windows=(40, 0, 3, 0, 0, 1, 0))
"""So that each kind of input has 8 bits once, see `with_digits`."""


def decoder(shape: DecoderShape) -> ExactModel:
    return replace(random_model(shape), logit_fraction=FRACTION)


MODELS: dict[str, Callable[[], ExactModel | EncoderModel]] = {
    "plain": lambda: decoder(SMALL),
    "every feature": lambda: decoder(FULL),
    "inputs of 8 bits": lambda: with_digits(decoder(MANY_LAYERS)),
    "encoder": random_encoder,
}


@dataclass
class Both:
    """One model twice: the engine's side, and what the verifier has read from the files."""

    commitment: Commitment
    folder: Path
    model: Model

    @classmethod
    def exported(cls, commitment: Commitment, folder: Path) -> Both:
        write_model(commitment, folder)
        return cls(commitment, folder, read_model(folder))

    @cached_property
    def engine(self) -> Engine:
        assert isinstance(self.commitment.model, ExactModel)
        return Engine(self.commitment.model, threads=1, backend="torch", slots=1)
