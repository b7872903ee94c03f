"""Models and engines that the engine's tests share. Two threads at most."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from assay.engine.engine import Engine
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.tokenizer import Tokenizer
from assay.exact.model import ExactModel
from tests.support.models import FULL, SMALL, random_model


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Tests run beside others; the one about threads sets its own number."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", params=[SMALL, FULL], ids=["plain", "every feature"])
def random_engine(request: pytest.FixtureRequest) -> Engine:
    """Random weights: every kernel at sizes that cross tiles."""
    return Engine(random_model(request.param))


@pytest.fixture(scope="session")
def shipped_model() -> ExactModel:
    return import_checkpoint(SHIPPED_MODEL)


@pytest.fixture(scope="session")
def shipped_engine(shipped_model: ExactModel) -> Engine:
    return Engine(shipped_model)


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return Tokenizer.of_checkpoint(SHIPPED_MODEL)
