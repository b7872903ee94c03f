"""The shipped model, an Anvil whose chain is put back after each test, and one with all services.

Each is made once, for the suites that ask for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from assay.chain.anvil import Anvil
from assay.engine.engine import Engine
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.tokenizer import Tokenizer
from assay.trace.commitment import ModelCommitment
from tests.integration.arena import Arena
from tests.integration.bank import Bank, found_bank
from tests.integration.town import Town, found_town
from tests.support.models import FULL, random_model


@dataclass(frozen=True)
class Shipped:
    """The model that comes with the package, ready to decode and to trace."""

    commitment: ModelCommitment
    engine: Engine
    tokenizer: Tokenizer


@pytest.fixture(scope="session")
def shipped() -> Shipped:
    model = import_checkpoint(SHIPPED_MODEL)
    return Shipped(ModelCommitment(model), Engine(model), Tokenizer.of_checkpoint(SHIPPED_MODEL))


@dataclass(frozen=True)
class Featured:
    """A random model with every feature of a decoder, the window and biases among them."""

    commitment: ModelCommitment
    engine: Engine


@pytest.fixture(scope="session")
def featured() -> Featured:
    model = random_model(FULL)
    return Featured(ModelCommitment(model), Engine(model))


@pytest.fixture(scope="session")
def anvil() -> Iterator[Anvil]:
    with Anvil() as node:
        yield node


@pytest.fixture(scope="session")
def stage(anvil: Anvil, shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Arena:
    folder: Path = tmp_path_factory.mktemp("arena")
    return Arena(anvil, shipped.commitment, folder)


@pytest.fixture
def arena(stage: Arena) -> Iterator[Arena]:
    snapshot = stage.anvil.rpc("evm_snapshot")
    yield stage
    stage.anvil.rpc("evm_revert", snapshot)


@pytest.fixture(scope="session")
def featured_stage(
    anvil: Anvil, featured: Featured, tmp_path_factory: pytest.TempPathFactory
) -> Arena:
    return Arena(anvil, featured.commitment, tmp_path_factory.mktemp("featured arena"))


@pytest.fixture
def featured_arena(featured_stage: Arena) -> Iterator[Arena]:
    snapshot = featured_stage.anvil.rpc("evm_snapshot")
    yield featured_stage
    featured_stage.anvil.rpc("evm_revert", snapshot)


@pytest.fixture(scope="session")
def town(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with found_town(shipped.commitment, tmp_path_factory.mktemp("town")) as founded:
        yield founded


@pytest.fixture(scope="session")
def founded_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with found_bank(tmp_path_factory.mktemp("bank")) as bank:
        yield bank


@pytest.fixture
def bank(founded_bank: Bank) -> Iterator[Bank]:
    with founded_bank.undone():
        yield founded_bank
