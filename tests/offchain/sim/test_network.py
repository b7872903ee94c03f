"""The simulation against closed forms: counts, times and money."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from scripts.sim.accounts import MICRO, accounts, advantage
from scripts.sim.auditors import Auditors, least_stake
from scripts.sim.network import Network, World
from scripts.sim.strategies import CHEATS, HONEST, STRATEGIES, Strategy, Terms

PRICES = ((0.01, 0.7), (1.0, 0.3))
TERMS = Terms(slash=3.0, reward_share=0.5, fee_share=0.05, compute_share=0.6, game_usd=0.5)
PERFECT = replace(HONEST, wrong_share=0.0)
COPIED = Strategy("copied", 1.0, 1.0, outside=0.5)
PLAIN = World(
    providers=2_000, days=60, cheat_share=1.0, window_steps=1, follow_up=0.0, canary_share=0.0
)
Z = 4.5  # standard deviations: 1 false alarm in 150,000


def auditors(*drawn: float, lazy: float = 0.0, traps: float = 0.0) -> Auditors:
    return Auditors(np.array(drawn), 2, lazy, 1_000, traps)


def run(
    world: World,
    *cheats: Strategy,
    drawn: tuple[float, float] = (0.1, 0.4),
    lazy: float = 0.0,
    traps: float = 0.0,
) -> Network:
    network = Network(world, (PERFECT, *cheats), PRICES, auditors(*drawn, lazy=lazy, traps=traps))
    network.run()
    return network


def assert_binomial(found: int, of: int, chance: float) -> None:
    assert abs(found - of * chance) < Z * math.sqrt(of * chance * (1 - chance)) + 1


def test_claims_are_conserved_by_kind_and_price() -> None:
    world = replace(PLAIN, cheat_share=0.5, window_steps=4, follow_up=0.7, canary_share=0.01)
    network = Network(world, STRATEGIES, PRICES, auditors(0.1, 0.4, lazy=0.3, traps=0.01))
    tally = network.run()
    assert (tally.wrong == tally.paid_wrong + tally.convicted).all()
    assert tally.convicted.sum() > 1_000
    assert not network.pending.any()
    assert not network.due.any()


def test_claims_come_at_their_rate_and_price() -> None:
    """Nobody is convicted, so everybody posts all the time."""
    network = run(PLAIN, COPIED, drawn=(0.0, 0.0))
    expected = PLAIN.providers * PLAIN.days * PLAIN.claims_day
    for price, (_, share) in enumerate(PRICES):
        found = int(network.tally.wrong[1, price])
        assert abs(found - expected * share) < Z * math.sqrt(expected * share)
    assert network.tally.convicted.sum() == network.tally.right.sum() == 0


@pytest.mark.parametrize("lazy", [0.0, 0.4])
def test_wrong_claims_are_found_as_often_as_they_are_seen(lazy: float) -> None:
    network = run(PLAIN, COPIED, lazy=lazy)
    for price, drawn in enumerate((0.1, 0.4)):
        of = int(network.tally.wrong[1, price])
        assert_binomial(int(network.tally.convicted[1, price]), of, drawn * (1 - lazy**2))


def test_canaries_find_those_who_cannot_tell_them() -> None:
    blind = replace(COPIED, name="blind", canaries=False)
    network = run(replace(PLAIN, canary_share=0.2), COPIED, blind)
    for kind, seen in ((1, 1 - 0.9 * 0.8), (2, 0.1)):
        of = int(network.tally.wrong[kind, 0])
        assert_binomial(int(network.tally.convicted[kind, 0]), of, seen)


def test_time_to_detection_is_geometric() -> None:
    """A step passes without a conviction with chance exp(-rate * seen), whatever went before."""
    world = replace(PLAIN, providers=4_000, return_days=1_000.0, days=200)
    network = run(world, COPIED)
    seen = sum(share * drawn for (_, share), drawn in zip(PRICES, (0.1, 0.4), strict=True))
    pass_by = math.exp(-world.claims_day * seen)
    left = world.providers
    for found in network.tally.found_after[1, :6]:
        assert_binomial(int(found), left, 1 - pass_by)
        left -= int(found)
    assert left > 0


def test_a_wrong_claim_gains_what_the_formula_says() -> None:
    network = run(PLAIN, COPIED)
    for strategy in (COPIED, replace(COPIED, puppet=True)):
        network.kinds = (PERFECT, strategy)
        mean, variance = 0.0, 0.0
        for price, ((usd, _), drawn) in enumerate(zip(PRICES, (0.1, 0.4), strict=True)):
            count = int(network.tally.wrong[1, price])
            mean += count * TERMS.advantage(strategy, usd, drawn)
            swing = usd * (1 - TERMS.fee_share + strategy.outside) + TERMS.lost(strategy)
            variance += count * drawn * (1 - drawn) * swing**2
        assert abs(advantage(network, TERMS, 1) - mean) < Z * math.sqrt(variance)


def test_money_is_conserved_and_agrees_with_the_advantage() -> None:
    """A kind's profit is that of honest answers to the same claims, and its advantage."""
    world = replace(PLAIN, cheat_share=0.5, window_steps=4, follow_up=0.7)
    network = Network(world, STRATEGIES, PRICES, auditors(0.1, 0.4))
    tally = network.run()
    usd = np.array([price for price, _ in PRICES])
    for index, row in enumerate(accounts(network, TERMS)):
        assert row["slashed"] == row["burned"] + row["rewards"] + row["puppets"]
        assert row["sales"] == row["income"] + row["fee"]
        spent = row["compute"] + row["slashed"] - row["puppets"] + row["gas"]
        profit = (row["income"] + row["outside"] - spent) / MICRO
        claims = float((tally.right[index] + tally.wrong[index]) @ usd)
        honest = claims * (1 - TERMS.fee_share - TERMS.compute_share)
        assert profit == pytest.approx(honest + advantage(network, TERMS, index), abs=1e-3)


def test_audits_are_the_drawn_share_of_all_claims() -> None:
    network = run(replace(PLAIN, cheat_share=0.5), COPIED)
    claims = (network.tally.right + network.tally.wrong).sum(axis=0)
    for price, drawn in enumerate((0.1, 0.4)):
        assert_binomial(int(network.tally.audits[price]), int(claims[price]), drawn)


def test_more_audits_find_more_sooner_and_cheating_gains_less() -> None:
    runs = [run(PLAIN, COPIED, drawn=(rate, rate)) for rate in (0.02, 0.1, 0.5)]
    shares = [r.tally.convicted.sum() / r.tally.wrong.sum() for r in runs]
    first_days = [r.tally.found_after[1, :2].sum() / r.tally.entries[1] for r in runs]
    gains = [advantage(r, TERMS, 1) / r.tally.wrong.sum() for r in runs]
    assert shares == sorted(shares)
    assert first_days == sorted(first_days)
    assert gains == sorted(gains, reverse=True)


def test_others_look_at_the_open_claims_of_a_convicted_provider() -> None:
    alone, followed = (
        run(replace(PLAIN, window_steps=4, follow_up=share), COPIED) for share in (0.0, 1.0)
    )
    assert followed.tally.convicted.sum() > 1.2 * alone.tally.convicted.sum()
    assert (alone.tally.wrong == alone.tally.paid_wrong + alone.tally.convicted).all()


def test_an_exit_scam_cheats_on_its_last_day_only() -> None:
    scam = replace(COPIED, days=10, last_days=1)
    network = run(replace(PLAIN, return_days=5.0), scam)
    lives = PLAIN.days // (10 + 5 - 1)
    expected = PLAIN.providers * PLAIN.claims_day * lives
    assert abs(int(network.tally.wrong.sum()) - expected) < Z * math.sqrt(expected)
    assert network.tally.found_after[1, :9].sum() == 0
    assert network.tally.found_after[1, 9:11].sum() > 0


def test_a_one_off_leaves_after_its_claims_of_one_step() -> None:
    once = replace(COPIED, once=True)
    network = run(replace(PLAIN, return_days=1_000.0), once, drawn=(0.0, 0.0))
    per_step = PLAIN.claims_day / -math.expm1(-PLAIN.claims_day)
    assert network.tally.wrong.sum() / PLAIN.providers == pytest.approx(per_step, rel=0.05)
    assert not network.active.any()


def test_the_same_seed_is_the_same_run() -> None:
    first, again, other = (
        run(replace(PLAIN, days=10, seed=seed), *CHEATS).tally for seed in (1, 1, 2)
    )
    assert (first.wrong == again.wrong).all()
    assert (first.found_after == again.found_after).all()
    assert (first.wrong != other.wrong).any()


def test_a_name_may_not_return_within_its_window() -> None:
    with pytest.raises(ValueError, match=r"return_days is 0\.5; it must be 1\.0 at least"):
        World(return_days=0.5)


def test_lazy_auditors_are_weeded_out() -> None:
    rng = np.random.default_rng(3)
    pool = auditors(0.1, 0.4, lazy=0.5, traps=0.01)
    for _ in range(200):
        pool.work(5_000, rng)
    assert pool.lazy_share < 0.02
    assert pool.caught > 500
    assert pool.sees > 0.999


def test_a_lazy_auditor_is_spared_its_stake_until_the_first_trap() -> None:
    """1 / traps audits on average, each spared the cost of one."""
    traps = 0.02
    spared = np.random.default_rng(4).geometric(traps, 200_000).mean() * 0.003
    assert spared == pytest.approx(least_stake(0.003, traps), rel=0.02)
