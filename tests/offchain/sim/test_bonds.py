"""The deployed constants meet their scenario, others do not, and the kept document says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace

import pytest

from assay.chain.parameters import ETHER, STANDARD, Parameters
from scripts.sim import bonds, measured, rates
from scripts.sim.needs import Constants, Model, Scenario
from scripts.sim.scenario import LAYER_1
from scripts.sim.shapes import SHAPES


def failing(parameters: Parameters, scenario: Scenario | None = None) -> set[str]:
    model = Model(scenario or Scenario(), Constants.of(parameters), rates.kept())
    return {need.name for need in model.needs() if not need.holds}


def test_the_deployed_constants_hold() -> None:
    assert failing(STANDARD) == set()


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"slash_per_claim": 5 * ETHER}, "slash_per_claim"),
        ({"slash_per_claim": 1_000 * ETHER}, "slash_per_claim"),
        ({"challenger_bond": 20 * ETHER}, "challenger_bond"),
        ({"challenger_bond": 1_000 * ETHER}, "challenger_bond"),
        ({"reward_bps": 500}, "slash_per_claim"),
        ({"window_seconds": 6 * 3_600}, "window"),
        ({"clock_seconds": 3_600}, "clock"),
        ({"extension_seconds": 60}, "extension"),
        ({"unbonding_seconds": 86_400}, "unbonding"),
        ({"timelock_seconds": 86_400}, "timelock"),
        ({"fee_bps": 100}, "fee_bps"),
    ],
)
def test_a_constant_out_of_its_range_is_named(changed: dict[str, int], found: str) -> None:
    changed_parameters = replace(STANDARD, **changed)  # type: ignore[arg-type]
    assert found in failing(changed_parameters)


def test_only_the_burned_part_of_a_slash_deters() -> None:
    """With a quarter as reward in place of a half, three quarters burn: two thirds suffice."""
    least = []
    for reward_bps in (5_000, 2_500):
        constants = Constants.of(replace(STANDARD, reward_bps=reward_bps))
        deters, pays, *_ = Model(Scenario(), constants, rates.kept()).money()
        least.append((deters.least, pays.least))
    assert least[1][0] == pytest.approx(least[0][0] * 2 / 3)
    assert least[1][1] == pytest.approx(least[0][1] * 2)


def test_layer_one_asks_for_other_constants() -> None:
    assert {"slash_per_claim", "challenger_bond"} <= failing(STANDARD, Scenario(chain=LAYER_1))


def test_a_false_challenge_costs_its_maker_more_than_the_provider() -> None:
    model = Model(Scenario(), Constants.of(STANDARD), rates.kept())
    for gwei in (model.s.chain.busy_gwei, model.s.chain.spike_gwei):
        assert all(ratio > 1 for ratio in model.spam(gwei).values())


def test_gas_of_a_game_is_what_was_measured_and_grows_by_rounds() -> None:
    gas = measured.gas()
    assert gas.at(gas.rounds) == gas.at(1) == gas
    more = gas.at(gas.rounds + 2)
    assert more.provider - gas.provider == 2 * gas.reveal
    assert more.challenger - gas.challenger == 2 * gas.pick


@pytest.mark.parametrize(("positions", "tile_rounds"), [(2_048, 4), (8_192, 4), (131_072, 6)])
def test_rounds_are_the_depth_of_both_trees_by_sixes(positions: int, tile_rounds: int) -> None:
    """70B: 2,000-odd steps are 12 levels; scores of 64 heads are 2**6 n rows of n / 512 tiles,
    wider rows of 28,672 elements n * 56 tiles."""
    assert measured.rounds(SHAPES["70B"], positions) == 2 + tile_rounds


def exit_code(monkeypatch: pytest.MonkeyPatch, out: str, parameters: Parameters) -> int:
    monkeypatch.setattr("sys.argv", ["bonds", "--no-plots", "--out", out])
    monkeypatch.setattr(bonds, "STANDARD", parameters)
    return bonds.main()


@pytest.mark.parametrize(
    ("change", "code"),
    [(lambda p: p, 0), (lambda p: replace(p, slash_per_claim=ETHER), 1)],
)
def test_the_script_fails_if_a_constant_does(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    change: Callable[[Parameters], Parameters],
    code: int,
) -> None:
    out = tmp_path_factory.mktemp("bonds")
    assert exit_code(monkeypatch, str(out), change(STANDARD)) == code
    assert json.loads((out / "bonds.json").read_text())["holds"] is (code == 0)


def test_the_kept_document_is_of_the_deployed_constants() -> None:
    kept = json.loads((bonds.RESULTS / "bonds.json").read_text())
    assert kept["deployed"] == asdict(Constants.of(STANDARD)), "run scripts/sim/bonds"
    assert kept["holds"]
