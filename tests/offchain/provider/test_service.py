"""What a provider loads for its settings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from assay.core.errors import ConfigError
from assay.core.settings import ProviderSettings, load_settings
from assay.core.types import TEMPERATURE_ONE, SamplingParams
from assay.engine.engine import Engine
from assay.engine.process import EngineProcess
from assay.provider.cheat import Honest
from assay.provider.shops import load_models
from tests.offchain.engine.checkpoints import write_checkpoint

PARAMS = (SamplingParams(30), SamplingParams(30, TEMPERATURE_ONE, bytes(range(32))))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("models") / "target", {"eos_token_id": None})


@pytest.fixture(scope="module")
def smaller(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = {"eos_token_id": None, "num_hidden_layers": 1}
    return write_checkpoint(tmp_path_factory.mktemp("models") / "draft", config)


def settings(checkpoint: Path, **more: object) -> ProviderSettings:
    return load_settings(ProviderSettings, model_path=checkpoint, max_running=2, threads=1, **more)


def engine(given: ProviderSettings) -> Engine:
    (loaded,) = load_models(given.model_copy(update={"engine_process": False}), Honest())
    assert isinstance(loaded.engine, Engine)
    return loaded.engine


def test_without_a_draft_nothing_is_guessed(checkpoint: Path) -> None:
    plain = engine(settings(checkpoint))
    list(plain.generate([1, 2, 3], PARAMS[0]))
    assert plain.counters.guessed == 0


@pytest.mark.parametrize("guesses", [1, 5])
def test_a_draft_guesses_and_changes_no_token(
    checkpoint: Path, smaller: Path, guesses: int
) -> None:
    plain = engine(settings(checkpoint))
    given = settings(checkpoint, draft_path=smaller, draft_guesses=guesses)
    drafted = engine(given)
    for params in PARAMS:
        before = drafted.counters.passes
        expected = list(plain.generate([1, 2, 3], params))
        assert list(drafted.generate([1, 2, 3], params)) == expected
        passes = drafted.counters.passes - before
        assert passes <= len(expected)
    assert drafted.counters.guessed > guesses * 10


def test_a_model_is_a_perfect_draft_of_itself(checkpoint: Path) -> None:
    drafted = engine(settings(checkpoint, draft_path=checkpoint))
    assert len(list(drafted.generate([1, 2, 3], PARAMS[1]))) == 30
    assert drafted.counters.accepted == drafted.counters.guessed > 0
    assert drafted.counters.passes <= 1 + 30 // 5 + 1


def test_the_engine_computes_in_a_process_of_its_own(checkpoint: Path) -> None:
    """A cheat's model is in no file: it computes here."""
    (loaded,) = load_models(settings(checkpoint), Honest())
    assert isinstance(loaded.engine, EngineProcess)
    assert loaded.engine.batch(2).process != os.getpid()
    loaded.engine.close()
    lying = settings(checkpoint, cheat='{"kind": "truncate", "drop": 1}')
    (loaded,) = load_models(lying, Honest())
    assert isinstance(loaded.engine, Engine)


def test_revert_a_draft_of_another_tokenizer(checkpoint: Path, tmp_path: Path) -> None:
    other = write_checkpoint(tmp_path)
    (other / "chat_template.jinja").write_text("{{ bos_token }}")
    with pytest.raises(ConfigError, match=r"has tokenizer .*take a draft of the same family"):
        load_models(settings(checkpoint, draft_path=other), Honest())


@pytest.mark.parametrize("guesses", [0, 17, "many"])
def test_revert_a_number_of_guesses_that_is_none(guesses: object) -> None:
    with pytest.raises(ConfigError, match=r"ASSAY_DRAFT_GUESSES.*got"):
        load_settings(ProviderSettings, draft_guesses=guesses)
