"""Inputs of 8 bits: recorded, derived again by whoever has the folder, chosen within a budget."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from assay.core.errors import ModelError
from assay.engine import digits
from assay.engine.agreement import Tally
from assay.engine.checkpoint import read_checkpoint
from assay.engine.digits import (
    Comparison,
    by_kind,
    choose,
    eight_bits,
    input_bits,
    sites,
    with_input_bits,
    within_budget,
)
from assay.engine.importer import SHIPPED_MODEL, Digits, import_checkpoint
from assay.engine.quality import same_integers, text_windows
from assay.exact.model import ExactModel
from assay.trace.commitment import ModelCommitment
from tests.offchain.engine.checkpoints import write_checkpoint

RECORD = "exact.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "tiny")


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    checkpoint = read_checkpoint(SHIPPED_MODEL)
    text = SHIPPED_MODEL / "calibration.txt"
    return Comparison(checkpoint, text_windows(checkpoint, SHIPPED_MODEL, text, 700))


def recorded(folder: Path) -> dict[str, int]:
    bits: dict[str, int] = json.loads((folder / RECORD).read_text())["input_bits"]
    return bits


def record(folder: Path, **changes: object) -> None:
    before = json.loads((folder / RECORD).read_text())
    (folder / RECORD).write_text(json.dumps(before | changes))


def test_sites_are_those_of_a_pass(shipped_model: ExactModel) -> None:
    names = sites(shipped_model.shape)
    assert names[:5] == (
        "0.attn_input", "0.o_input", "0.mlp_input", "0.product", "1.attn_input",
    )  # fmt: skip
    assert len(names) == 17 and names[-1] == "final_input"
    groups = by_kind(shipped_model.shape)
    assert groups["o_input"] == ("0.o_input", "1.o_input", "2.o_input", "3.o_input")
    assert sorted(site for group in groups.values() for site in group) == sorted(names)


def test_bits_go_to_their_own_site(shipped_model: ExactModel) -> None:
    for site in sites(shipped_model.shape):
        changed = with_input_bits(shipped_model, {site: 8})
        assert input_bits(changed) == {site: 8}
        assert not same_integers(changed, shipped_model)
        assert same_integers(with_input_bits(changed, {}), shipped_model)


@pytest.mark.parametrize("choice", ["8", "16"])
def test_a_choice_is_kept(folder: Path, choice: Digits) -> None:
    """Whoever has the folder derives the same root; the weights do not depend on the choice."""
    plain = import_checkpoint(folder)
    chosen = import_checkpoint(folder, digits=choice)
    expected = eight_bits(sites(plain.shape)) if choice == "8" else {}
    assert recorded(folder) == input_bits(chosen) == expected
    again = ModelCommitment(import_checkpoint(folder)).model_root
    assert again == ModelCommitment(chosen).model_root
    assert (again == ModelCommitment(plain).model_root) == (choice == "16")
    assert same_integers(with_input_bits(chosen, {}), plain)
    assert same_integers(import_checkpoint(folder, digits="16"), plain)
    assert recorded(folder) == {}


def test_a_record_without_bits_means_16(folder: Path) -> None:
    chosen = import_checkpoint(folder, digits="8")
    before = json.loads((folder / RECORD).read_text())
    del before["input_bits"]
    (folder / RECORD).write_text(json.dumps(before))
    assert same_integers(import_checkpoint(folder), with_input_bits(chosen, {}))


@pytest.mark.parametrize("bits", [{"0.product": 7}, {"2.product": 8}, {"0.gate": 8}, {"": 16}])
def test_revert_bits_that_cannot_be(folder: Path, bits: dict[str, int]) -> None:
    import_checkpoint(folder)
    record(folder, input_bits=bits)
    with pytest.raises(ModelError, match=r"0\.attn_input to final_input, of 8 or 16 bits"):
        import_checkpoint(folder)


@pytest.mark.parametrize("bits", [3, ["0.product"], {"0.product": "few"}, {"0.product": None}])
def test_revert_malformed_bits(folder: Path, bits: object) -> None:
    import_checkpoint(folder)
    record(folder, input_bits=bits)
    with pytest.raises(ModelError, match=r"exact\.json is malformed"):
        import_checkpoint(folder)


def test_the_choice_stays_within_its_budget(
    shipped_model: ExactModel, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By kind, to be quick; what was refused would have gone beyond, added to what was chosen."""
    monkeypatch.setattr(digits, "MOST_GROUPS", 1)
    monkeypatch.setattr(digits, "TOP1_BAR", 0.95)
    monkeypatch.setattr(digits, "TOP1_BUDGET", 0.05)
    monkeypatch.setattr(digits, "ERROR_BUDGET", 4.0)
    said: list[str] = []
    bits = choose(shipped_model, comparison, lambda what, share: said.append(what))
    assert set(said) == {"measuring 8-bit inputs", "choosing 8-bit inputs"}
    base = comparison.tally(shipped_model)
    assert within_budget(comparison.tally(with_input_bits(shipped_model, bits)), base)
    kinds = {site.rpartition(".")[2] for site in bits}
    assert kinds == {"attn_input", "o_input", "mlp_input"}
    for kind in {"product", "final_input"}:
        more = bits | eight_bits(by_kind(shipped_model.shape)[kind])
        assert not within_budget(comparison.tally(with_input_bits(shipped_model, more)), base)


def test_a_choice_by_site(
    shipped_model: ExactModel, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = replace(shipped_model.shape, layers=1)
    small = replace(shipped_model, shape=first, layers=shipped_model.layers[:1])
    order: list[str] = []

    def tally(self: Comparison, model: ExactModel) -> Tally:
        """Costs by hand: o is dear for its size, product free, the head over any budget."""
        costs = {"0.attn_input": 3.0, "0.o_input": 5.0, "0.mlp_input": 20.0, "final_input": 900.0}
        order.append("+".join(input_bits(model)))
        error = 100.0 + sum(costs.get(site, 0.0) for site in input_bits(model))
        return Tally(positions=100, agreeing=100, squared_error=error)

    monkeypatch.setattr(Comparison, "tally", tally)
    assert choose(small, comparison, lambda what, share: None) == eight_bits(
        ("0.attn_input", "0.o_input", "0.mlp_input", "0.product")
    )
    assert order[:6] == ["", *sites(first)]
    assert order[6:9] == [
        "0.product",
        "0.attn_input+0.product",
        "0.attn_input+0.mlp_input+0.product",
    ]


def test_budget() -> None:
    base = Tally(positions=1000, agreeing=995, squared_error=100.0)
    edge = 100.0 * digits.ERROR_BUDGET**2
    assert within_budget(replace(base, squared_error=edge - 1e-6), base)
    assert not within_budget(replace(base, squared_error=edge + 1e-3), base)
    assert within_budget(replace(base, agreeing=993), base)
    assert not within_budget(replace(base, agreeing=992), base)
    low = replace(base, agreeing=991)
    assert not within_budget(replace(base, agreeing=989), low)
