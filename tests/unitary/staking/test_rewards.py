"""Rewards of random histories beside exact fractions."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.economy import ETHER
from tests.support.evm import DAY, now, travel_to
from tests.unitary.staking.conftest import STAGE_SECONDS, Pool
from tests.unitary.staking.oracle import Rewards

MOVES = ("stake", "unstake", "cancel", "claim", "compound", "lock", "unlock")
AMOUNTS = st.one_of(
    st.integers(1, 100), st.integers(1, 3 * ETHER), st.integers(1, 9_000).map(lambda n: n * ETHER)
)
HISTORY = st.lists(
    st.tuples(
        st.sampled_from(MOVES),
        st.integers(0, 2),
        AMOUNTS,
        st.one_of(st.integers(0, 100), st.integers(0, 3 * DAY), st.integers(0, 2 * STAGE_SECONDS)),
    ),
    min_size=1,
    max_size=30,
)


class History:
    """The pool and the fractions, moved together."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.exact = Rewards(pool.numerator)
        self.drawn: dict[str, int] = defaultdict(int)
        self.roundings: dict[str, int] = defaultdict(lambda: 1)

    def move(self, name: str, account: str, amount: int) -> None:
        self.roundings[account] += 1
        getattr(self, name)(account, amount)

    def stake(self, account: str, amount: int) -> None:
        amount = min(amount, self.pool.token.balanceOf(account))
        if amount:
            self.pool.stake(amount, account)
            self.exact.add(account, amount)

    def unstake(self, account: str, amount: int) -> None:
        amount = min(amount, self.exact.free[account])
        if amount:
            self.pool.unstake(amount, account)
            self.exact.add(account, -amount)

    def cancel(self, account: str, amount: int) -> None:
        staking = self.pool.staking
        for number in range(staking.ticket_count(account)):
            if staking.ticket(account, number)[0]:
                self.exact.add(account, staking.cancel_ticket(number, sender=account))
                return

    def claim(self, account: str, amount: int) -> None:
        preview = self.pool.staking.claimable(account)
        assert self.pool.claim(account) == preview
        self.drawn[account] += preview

    def compound(self, account: str, amount: int) -> None:
        preview = self.pool.staking.claimable(account)
        assert self.pool.staking.compound(sender=account) == preview
        self.drawn[account] += preview
        self.exact.add(account, preview)

    def lock(self, account: str, amount: int) -> None:
        amount = min(amount, self.exact.free[account])
        self.pool.lock(amount, account)
        self.exact.lock(account, amount)

    def unlock(self, account: str, amount: int) -> None:
        amount = min(amount, self.exact.locked[account])
        self.pool.unlock(amount, account)
        self.exact.lock(account, -amount)

    def check(self, account: str) -> None:
        """Never above the fraction; below it by a wei for each of the account's own moves, and
        by what the accumulator's roundings, less than a wei together, may have cost."""
        self.exact.accrue()
        had = self.drawn[account] + self.pool.staking.claimable(account)
        assert 0 <= self.exact.earned[account] - had < self.roundings[account] + 1
        assert self.pool.staking.free_of(account) == self.exact.free[account]
        assert self.pool.staking.locked_of(account) == self.exact.locked[account]


@settings(max_examples=40)
@given(moves=HISTORY)
def test_random_history(deployed_pool: Pool, moves: list[tuple[str, int, int, int]]) -> None:
    pool = deployed_pool
    with pool.fresh():
        accounts = (pool.staker, pool.rival, pool.whale)
        history = History(pool)
        for name, who, amount, gap in moves:
            history.move(name, accounts[who], amount)
            travel_to(now() + gap)
        for account in accounts:
            history.check(account)
        pool.check_books()


@pytest.mark.parametrize("seconds", [1, 12, DAY])
def test_small_stakes_beside_a_large_one(begun: Pool, seconds: int) -> None:
    """A millionth of an ASSAY beside ninety million: nothing is lost but the last wei."""
    history = History(begun)
    history.move("stake", begun.whale, 9 * 10**7 * ETHER)
    history.move("stake", begun.staker, 10**12)
    for _ in range(20):
        travel_to(now() + seconds)
        history.move("stake", begun.rival, 10**12)
    for account in (begun.staker, begun.rival, begun.whale):
        history.check(account)
