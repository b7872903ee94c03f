"""What an attacker might try on the pool."""

from __future__ import annotations

from tests.support.economy import ETHER, GENESIS, RATES
from tests.support.evm import DAY, begin_day, now, today, travel_to
from tests.unitary.staking.conftest import HOUR, SCALE, STAGE_SECONDS, Pool


def test_emission_with_zero_stake_is_never_minted(begun: Pool) -> None:
    """Not before the first stake, nor while nobody is left; nobody later gets it."""
    travel_to(now() + STAGE_SECONDS + 5)
    begun.stake(ETHER)
    assert begun.staking.claimable(begun.staker) == 0
    first = now()
    travel_to(first + 100)
    begun.unstake(ETHER)
    earned = begun.numerator(first)
    travel_to(now() + STAGE_SECONDS)
    begun.stake(ETHER, begun.rival)
    second = now()
    travel_to(second + 100)
    assert 0 <= earned // SCALE - begun.claim() <= 1
    assert 0 <= begun.numerator(second) // SCALE - begun.claim(begun.rival) <= 1
    idle = begun.numerator() - earned - begun.numerator(second)
    unminted = begun.numerator() // SCALE - begun.emissions.minted_to_stakers()
    assert 0 <= unminted - idle // SCALE <= 3


def test_first_staker_of_one_wei(begun: Pool) -> None:
    """A wei earns what a wei of one ASSAY would, and spoils nothing for those after it."""
    begun.stake(1)
    travel_to(now() + 30 * DAY)
    expected = begun.numerator() // ETHER // SCALE
    assert begun.staking.claimable(begun.staker) == expected
    assert expected < 2 * 10**6  # wei
    begun.stake(ETHER - 1, begun.rival)
    middle = now()
    travel_to(middle + DAY)
    exact = begun.numerator(middle) * (ETHER - 1) // (ETHER * SCALE)
    assert 0 <= exact - begun.claim(begun.rival) <= 1
    begun.claim()


def test_below_one_assay(begun: Pool) -> None:
    """At half an ASSAY of stake, half of the stakers' part is minted."""
    begun.stake(ETHER // 2)
    travel_to(now() + DAY)
    assert 0 <= begun.numerator() // (2 * SCALE) - begun.claim() <= 1


def test_flash_stake_earns_nothing(begun: Pool) -> None:
    """In, claim and out in one block; the others lose no wei."""
    begun.stake(ETHER, begun.rival)
    travel_to(now() + DAY)
    owed = begun.staking.claimable(begun.rival)
    begun.stake(9 * 10**7 * ETHER, begun.whale)
    assert begun.claim(begun.whale) == 0
    assert begun.staking.compound(sender=begun.whale) == 0
    begun.unstake(9 * 10**7 * ETHER, begun.whale)
    assert begun.staking.claimable(begun.whale) == 0
    assert begun.staking.claimable(begun.rival) == owed
    begun.staking.cancel_ticket(0, sender=begun.whale)
    begun.unstake(9 * 10**7 * ETHER, begun.whale)
    assert begun.claim(begun.whale) == 0
    assert begun.staking.opening_stake(begun.whale, today()) == (0, ETHER)


def test_a_donation_changes_nothing(begun: Pool) -> None:
    begun.stake(ETHER)
    travel_to(now() + 100)
    views = ("claimable", "stake_of", "free_of")
    before = [getattr(begun.staking, view)(begun.staker) for view in views]
    totals = begun.staking.total_stake(), begun.staking.total_tickets()
    begun.token.transfer(begun.staking.address, 1_000 * ETHER, sender=begun.whale)
    assert before == [getattr(begun.staking, view)(begun.staker) for view in views]
    assert totals == (begun.staking.total_stake(), begun.staking.total_tickets())
    assert begun.claim() == before[0]
    # For the check of the fixture: what was given is the pool's for ever.
    begun.staking.eval(f"extcall IERC20(token).transfer(msg.sender, {1_000 * ETHER})")


def test_a_new_rate_without_a_checkpoint(begun: Pool) -> None:
    """Nobody has called for days; the owner lowers the rate; the past stays as it was."""
    begun.stake(ETHER)
    travel_to(now() + 5 * DAY + HOUR)
    owed, before = begun.staking.claimable(begun.staker), begun.numerator()
    begun.emissions.lower_rate(0, RATES[0] // 7, sender=begun.owner)
    assert begun.staking.claimable(begun.staker) == owed
    travel_to(now() + 1_000)
    exact = (before + 1_000 * (RATES[0] // 7) * 9_000) // SCALE
    assert 0 <= exact - begun.claim() <= 1


def test_a_new_split_without_a_checkpoint(begun: Pool) -> None:
    begun.stake(ETHER)
    travel_to(now() + 5 * DAY + HOUR)
    owed = begun.staking.claimable(begun.staker)
    begun.emissions.set_split([(0, 1_000), (10_000, 1_000)], sender=begun.owner)
    assert begun.staking.claimable(begun.staker) == owed
    begin_day()
    before = begun.numerator()
    travel_to(now() + 1_000)
    assert 0 <= (before + 1_000 * RATES[0] * 1_000) // SCALE - begun.claim() <= 1


def test_dust_from_others_costs_a_wei_at_most(begun: Pool) -> None:
    """Staking dust in someone's name each minute settles its rewards each time."""
    begun.stake(ETHER)
    for _ in range(50):
        travel_to(now() + 60)
        begun.staking.stake_for(begun.staker, 1, sender=begun.rival)
    assert 0 <= begun.numerator() // SCALE - begun.claim() <= 51


def test_a_day_of_work_changes_shares_not_books(begun: Pool) -> None:
    """Rewards follow the split of each day, whoever calls first."""
    begun.stake(ETHER)
    begun.emissions.record_work(begun.stranger, 10**15, sender=begun.minter)
    midnight = (today() + 1) * DAY
    travel_to(midnight + HOUR)
    used = 10_000 // 7
    share = 9_000 - 1_500 * used // 3_000
    expected = begun.numerator(0, midnight) + begun.numerator(midnight) // 9_000 * share
    assert 0 <= expected // SCALE - begun.staking.claimable(begun.staker) <= 1
    preview = begun.staking.claimable(begun.staker)
    assert begun.claim() == preview
    assert begun.token.totalSupply() == GENESIS + preview
