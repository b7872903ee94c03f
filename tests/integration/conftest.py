"""The shipped model, an Anvil whose chain is put back after each test, and one with all services.

Each is made once, for the suites that ask for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from assay.chain.anvil import Anvil
from assay.challenger.evidence import Evidence
from assay.engine.engine import Engine
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.tokenizer import Tokenizer
from assay.provider.journal import Journal
from assay.trace.commitment import EncoderCommitment, ModelCommitment
from tests.integration.arena import Arena
from tests.integration.bank import Bank, found_bank
from tests.integration.branch import Branch, found_branch
from tests.integration.town import Town, found_town
from tests.integration.village import Village
from tests.offchain.conftest import database_url, postgres_server  # noqa: F401
from tests.support.models import FULL, random_encoder, random_model, with_digits


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
    """A random model with every feature of a decoder, the window, biases and inputs of 8 bits in
    the first layer among them."""

    commitment: ModelCommitment
    engine: Engine


@pytest.fixture(scope="session")
def featured() -> Featured:
    model = with_digits(random_model(FULL))
    return Featured(ModelCommitment(model), Engine(model))


@pytest.fixture(scope="session")
def anvil() -> Iterator[Anvil]:
    with Anvil() as node:
        yield node


@pytest.fixture(scope="session")
def stage(anvil: Anvil, shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Arena:
    folder: Path = tmp_path_factory.mktemp("arena")
    return Arena(anvil, shipped.commitment, folder)


@contextmanager
def _put_back(stage: Arena) -> Iterator[None]:
    """Reverting sets Anvil's clock back too: it starts level with ours, which services go by."""
    stage.pass_time(int(time.time()))
    snapshot = stage.anvil.rpc("evm_snapshot")
    yield
    stage.anvil.rpc("evm_revert", snapshot)


@pytest.fixture
def arena(stage: Arena) -> Iterator[Arena]:
    with _put_back(stage):
        yield stage


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(tmp_path / "journal.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def evidence(tmp_path: Path) -> Iterator[Evidence]:
    kept = Evidence([], tmp_path / "evidence")
    yield kept
    kept.close()


@pytest.fixture(scope="session")
def featured_stage(
    anvil: Anvil, featured: Featured, tmp_path_factory: pytest.TempPathFactory
) -> Arena:
    return Arena(anvil, featured.commitment, tmp_path_factory.mktemp("featured arena"))


@pytest.fixture
def featured_arena(featured_stage: Arena) -> Iterator[Arena]:
    with _put_back(featured_stage):
        yield featured_stage


@pytest.fixture(scope="session")
def encoder_stage(anvil: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Arena:
    commitment = EncoderCommitment(random_encoder())
    return Arena(anvil, commitment, tmp_path_factory.mktemp("encoder arena"))


@pytest.fixture
def encoder_arena(encoder_stage: Arena) -> Iterator[Arena]:
    with _put_back(encoder_stage):
        yield encoder_stage


@pytest.fixture(scope="session")
def founded_village(anvil: Anvil, tmp_path_factory: pytest.TempPathFactory) -> Village:
    return Village(anvil, ModelCommitment(random_model()), tmp_path_factory.mktemp("village"))


@pytest.fixture
def village(founded_village: Village) -> Iterator[Village]:
    with _put_back(founded_village):
        yield founded_village


@pytest.fixture(scope="session")
def town(shipped: Shipped, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with found_town(shipped.commitment, tmp_path_factory.mktemp("town")) as founded:
        yield founded


@pytest.fixture(scope="session")
def branch(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Branch]:
    with found_branch(town, tmp_path_factory.mktemp("branch")) as found:
        yield found


@pytest.fixture(scope="session")
def founded_bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bank]:
    with found_bank(tmp_path_factory.mktemp("bank")) as bank:
        yield bank


@pytest.fixture
def bank(founded_bank: Bank) -> Iterator[Bank]:
    with founded_bank.undone():
        yield founded_bank
