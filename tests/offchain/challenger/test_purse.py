"""A canary's budget: in any 24 hours, across restarts, whatever the prices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from assay.challenger.canaries import read_prompts
from assay.challenger.purse import DAY_SECONDS, Canary, Purse
from assay.core.errors import ConfigError

NOW = 1_700_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "canaries.json"


def test_no_purchase_that_could_exceed_the_budget(path: Path) -> None:
    purse = Purse(path, budget=100)
    assert purse.affords(NOW)
    purse.put(Canary("a", NOW, 30), NOW)
    purse.put(Canary("b", NOW + 1, 40), NOW + 1)
    assert not purse.affords(NOW + 2)
    purse.put(Canary("b", NOW + 1, 10, answered=True), NOW + 2)
    assert purse.affords(NOW + 2)
    assert purse.affords(NOW + DAY_SECONDS + 2)


def test_a_restart_spends_nothing_twice(path: Path) -> None:
    purse = Purse(path, budget=50)
    canary = Canary("a", NOW, 30)
    purse.put(canary, NOW)
    again = Purse(path, budget=50)
    assert again.waiting() == [canary]
    assert not again.affords(NOW + 1)
    again.put(replace(canary, ended=True), NOW + 1)
    assert Purse(path, budget=50).waiting() == []
    assert not Purse(path, budget=50).affords(NOW + 1)


def test_failed_purchases_count(path: Path) -> None:
    """A gateway that takes the money and answers nothing takes no more than the budget."""
    purse = Purse(path, budget=100)
    purse.put(Canary("a", NOW, 30, answered=True, ended=True), NOW)
    for second in range(1, 100):
        if not purse.affords(NOW + second):
            break
        purse.lose(NOW + second)
    assert second == 3


def test_what_is_old_and_over_is_forgotten_and_what_waits_is_not(path: Path) -> None:
    purse = Purse(path, budget=50)
    purse.put(Canary("over", NOW, 1, ended=True), NOW)
    purse.put(Canary("waits", NOW, 1), NOW)
    later = NOW + DAY_SECONDS + 1
    purse.put(Canary("new", later, 1), later)
    assert [canary.receipt_id for canary in purse.waiting()] == ["waits", "new"]
    assert "over" not in path.read_text()


def test_a_damaged_file_is_begun_anew(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('[{"receipt_id": 1')
    assert Purse(path, budget=50).waiting() == []


def test_prompts(tmp_path: Path) -> None:
    file = tmp_path / "prompts.txt"
    file.write_text("  one \n\ntwo\n")
    assert read_prompts(file) == ["one", "two"]
    file.write_text("\n \n")
    with pytest.raises(ConfigError, match="has no prompt"):
        read_prompts(file)
    with pytest.raises(ConfigError, match="cannot read"):
        read_prompts(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="ASSAY_CANARY_PROMPTS"):
        read_prompts(None)
