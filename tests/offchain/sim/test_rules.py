"""The inequalities, against what they say in words."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from scripts.sim import rules
from scripts.sim.scenario import DAY, FLOOR, Audits, Demand, Market


@pytest.mark.parametrize("seen", [0.01, 0.05, 0.5, 0.99])
@pytest.mark.parametrize("gain", [0.001, 0.02, 3.0])
def test_the_least_burn_leaves_nothing(gain: float, seen: float) -> None:
    """A copied answer with half of its gain from elsewhere: what is paid if unseen is the gain."""
    price, outside = gain / 2, gain / 2
    burn = rules.least_burn(gain, seen, 0.0)
    profit = (1 - seen) * (price + outside) - seen * burn
    assert profit == pytest.approx(0.0, abs=1e-12)
    assert rules.needed_rate(gain, burn, sees=1.0) == pytest.approx(seen)


def test_a_wrong_claim_is_compared_with_the_honest_one() -> None:
    """It saves 2, earns 8 outside in 3 of 4 cases, and loses its price of 5 and 11 in the other."""
    assert rules.wrong_claim(5.0, 2.0, 8.0, 0.25, 11.0) == pytest.approx(2 + 0.75 * 8 - 0.25 * 16)


@pytest.mark.parametrize("price", [0.001, 0.1, 1.0, 10.0])
def test_the_audit_rate_deters_every_price_up_to_the_dearest(price: float) -> None:
    audits, burn = Audits(), 1.6
    seen = rules.audit_rate(price, burn, audits) * audits.sees
    gain = audits.gain_multiple * price
    assert price < rules.dearest_claim(burn, audits)
    assert (1 - seen) * gain <= seen * burn * (1 + 1e-12)


def test_beyond_the_dearest_claim_no_rate_deters() -> None:
    audits, burn = Audits(), 1.6
    dear = rules.dearest_claim(burn, audits)
    at = rules.needed_rate(audits.gain_multiple * dear, burn, audits.sees)
    assert at == pytest.approx(1.0)
    assert rules.audit_rate(dear * 1.01, burn, audits) == 1.0


def test_audits_cost_their_share_of_sales() -> None:
    """All claims alike and audited at the base rate: rate x auditors x cost of one."""
    demand = Demand(prices=((0.0001, 1.0),))
    audits = Audits(base_rate=0.1, auditors=3, compute_share=0.5)
    assert rules.audit_cost(demand, [0.1], audits, 0.2) == pytest.approx(0.1 * 3 * 0.2 * 0.5)


def test_a_larger_burn_needs_fewer_audits() -> None:
    for price in (0.01, 0.1, 1.0):
        rates = [rules.audit_rate(price, burn, Audits()) for burn in (0.1, 1.0, 10.0)]
        assert rates[0] >= rates[1] >= rates[2] >= Audits().base_rate
        assert rates[0] > rates[2]


def test_slash_and_claims_are_two_sides_of_the_bonded_capital() -> None:
    demand, lock = Demand(), 2 * DAY
    slash = rules.most_slash(demand, lock)
    assert rules.most_claims_day(slash, demand, lock) == pytest.approx(demand.claims_day)
    bonded = slash * demand.claims_day * 2
    assert bonded == pytest.approx(demand.bonded_share * demand.supply)


def test_no_flood_pays_while_bonds_grow_fast_enough() -> None:
    """`answered` games pay the provider their bonds, the others their attacker a reward."""
    bond, reward, answered = 100.0, 15.0, 7
    most = math.floor(rules.most_games_a_bond(answered, bond, reward))
    floods = [*range(1, 500), 1_000, 10_000, 100_000]

    def best(games_a_bond: int) -> float:
        return max(rules.flood_gain(k, answered, bond, reward, games_a_bond) for k in floods)

    assert rules.flood_gain(1, answered, bond, reward, most) == -bond
    assert best(most) == -bond
    assert best(2 * most) > 0
    assert rules.flood_gain(10 * most, answered, bond, reward, most) == (
        (10 * most - answered) * reward - answered * 10 * bond
    )


def test_the_largest_bond_leaves_a_failing_challenger_nothing() -> None:
    bond = rules.most_bond(15.0, 0.05)
    assert 0.95 * 15.0 - 0.05 * bond == pytest.approx(0.0)


def test_censoring_costs_the_target_of_every_block() -> None:
    """A sender that pays 1 dollar for 100 gas: 10 blocks of 500 gas at a cent each."""
    assert rules.censor_usd(1.0, 100.0, 500.0, 12.0, 120.0) == pytest.approx(10 * 500 * 0.01)


def test_the_markets_margin_is_its_falls_quantile() -> None:
    still = replace(FLOOR, volatility=0.0)
    assert still.low_usd == still.assay_usd
    year = Market("a year", 1.0, volatility=0.5, redeploy=365, deviations=2.0)
    assert year.low_usd == pytest.approx(2.718281828**-1.0)


def test_demand_of_another_mean_sells_as_much() -> None:
    demand = Demand().of_mean(0.5)
    assert sum(share for _, share in demand.prices) == pytest.approx(1.0)
    assert demand.claim_usd == pytest.approx(0.5)
    assert demand.claims_day * 0.5 == pytest.approx(Demand().usd_day)
