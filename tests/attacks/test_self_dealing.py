"""Serving oneself: what credit can be turned into, and what it cannot.

A provider that is its own consumer spends its own credit. It has to: work is recorded for credit
that leaves the bucket of a day, and a bucket fills by promises of staked KARAT and of the day's
share of capacity. So of a day in which it spends c micro-dollars, others w, it gets

    pool x c / max(c + w, used x capacity, 1 % of capacity)

of the providers' emission `pool`: to the wei what any honest provider gets for serving the same
credit. An idle network pays all of its pool for 1 % of its capacity: $100 of credit a day at a
capacity of $10,000, which is 100 KARAT, or 1 % of the stake. (Here a tenth of the emission is the
pool of an idle network; with a split that leaves stakers all of it while nothing is used, that
pool is nothing.) That is the most there is to gain, a day's pool, once, shared with everybody else
who comes; it costs the credit, the compute of claims that anyone can challenge, and the bond
behind them. More credit, one overpriced token, or waiting for a quiet day add nothing to it.
"""

from __future__ import annotations

import boa
import pytest

from assay.core.hashes import model_root
from tests.attacks.arena import Defect, economy, market
from tests.support.credit import DOLLAR, KARAT, Credit
from tests.support.economy import CAPACITY, RATES, Economy
from tests.support.evm import DAY, deployer, now, today
from tests.support.market import SLASH, Market, toy_model

POOL = RATES[0] * DAY * 1_000  # numerator: a tenth of a day's emission
SCALE = 365 * DAY * 10_000
FLOOR = CAPACITY // 100

UNCAPPED = Defect(
    "network/Settlement",
    "        self._credit_cap(job, receipt.output_tokens),\n",
    "        max(self._credit_cap(job, receipt.output_tokens), receipt.price),\n",
)
NO_FLOOR = Defect(
    "emissions/EmissionController",
    "    used_bps: uint256 = max(record.used_bps, MIN_USED_BPS)\n",
    "    used_bps: uint256 = record.used_bps\n",
)


def gains(economy: Economy, own: int, others: int = 0) -> tuple[int, int]:
    """Rewards of a day on which one provider spends its own credit, others spend theirs."""
    dealer, honest = (boa.env.generate_address(name) for name in ("dealer", "honest"))
    ledger = economy.ledger.address
    economy.emissions.record_work(dealer, own, sender=ledger)
    if others:
        economy.emissions.record_work(honest, others, sender=ledger)
    boa.env.time_travel(seconds=DAY)
    return tuple(int(economy.emissions.reward_work(who, [today() - 1])) for who in (dealer, honest))  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("own", "others"),
    [
        (1, 0),
        (FLOOR // 2, 0),
        (FLOOR, 0),
        (CAPACITY, 0),
        (FLOOR, FLOOR),
        (1, CAPACITY),
        (FLOOR, CAPACITY),
        (CAPACITY, 1),
    ],
)
def test_the_arithmetic(own: int, others: int) -> None:
    """On a network that was idle for a week."""
    with economy() as sound:
        dealt, honest = gains(sound, own, others)
        spent = max(own + others, FLOOR)
        assert dealt == POOL * own // (spent * SCALE)
        assert dealt + honest <= POOL // SCALE
        if others == own:
            assert dealt == honest


def test_a_micro_dollar_on_a_quiet_day() -> None:
    with economy() as sound:
        assert gains(sound, 1)[0] == POOL // SCALE // FLOOR


def test_a_quiet_day_bites() -> None:
    """Without the least denominator one micro-dollar is paid a day's pool, 3,835 ASSAY."""
    with economy(NO_FLOOR) as defective:
        assert gains(defective, 1)[0] == POOL // SCALE == 3_835 * 10**18 + 616438356164383561


def test_a_used_network_pays_by_its_use() -> None:
    """After a week at half of capacity, a quiet day's pool is for half of capacity."""
    with economy() as sound:
        ledger, honest = sound.ledger.address, boa.env.generate_address("honest")
        for _ in range(7):
            sound.emissions.record_work(honest, CAPACITY // 2, sender=ledger)
            boa.env.time_travel(seconds=DAY)
        assert sound.emissions.used_bps(today()) == 5_000
        pool = RATES[0] * DAY * (10_000 - sound.emissions.stakers_bps(today()))
        assert gains(sound, FLOOR)[0] == pool * FLOOR // (CAPACITY // 2 * SCALE)


def test_waiting_for_a_quiet_day() -> None:
    """Claims of a week, all made final on one quiet day, share one day's pool; spread over the
    week they would have been paid seven."""
    with economy() as sound:
        at_once = gains(sound, 7 * FLOOR)[0]
        assert at_once == POOL // SCALE
    with economy() as sound:
        assert sum(gains(sound, FLOOR)[0] for _ in range(7)) >= 7 * at_once


def overpriced(market: Market) -> tuple[int, int]:
    """One token for all of a day's credit, from oneself to oneself; credit spent, work counted."""
    dealer = market.signer
    credit = Credit(market, owner=dealer)
    credit.begin()
    credit.payee = dealer.address
    credit.give_karat(dealer.address, 100 * KARAT)
    credit.open(100 * DOLLAR)
    credit.collect(100 * DOLLAR)
    market.fund_provider(10 * SLASH, dealer.address)
    root = model_root(toy_model())
    market.models.set_reference_price(root, 50_000_000, 200_000_001, sender=market.owner)
    claim = market.claim(
        provider=dealer.address,
        price_output=20_000_000 * 10**6,
        max_price=2**200,
        deadline=now() + DAY,
    )
    market.post(claim, sender=dealer.address)
    market.after_window()
    market.finalise(claim)
    spent = 100 * DOLLAR - market.ledger.credit_of(dealer.address, today())
    return int(spent), int(market.emissions.work_of(dealer.address, today()))


def test_an_overpriced_token() -> None:
    """Credit pays the reference price of the tokens, $0.001151, and stays where it is."""
    with market() as sound:
        assert overpriced(sound) == (1_151, 1_151)


def test_an_overpriced_token_bites() -> None:
    """One token takes all: $100 of work without computing."""
    with market(UNCAPPED) as defective:
        assert overpriced(defective) == (100 * DOLLAR, 100 * DOLLAR)


def test_work_is_credit_that_was_spent() -> None:
    """Without credit a claim is paid in dollars or not at all, and is no work."""
    with economy() as sound:
        stand_in = deployer("mocks/TestUSD")()
        sound.ledger.set_settlement(stand_in, sender=sound.deployer)
        dealer = boa.env.generate_address("dealer")
        sound.deposit(dealer, DOLLAR)
        arguments = (b"", dealer, dealer, 10 * DOLLAR, 10 * DOLLAR, now())
        assert sound.ledger.pay(*arguments, sender=stand_in.address) == DOLLAR
        assert sound.emissions.work(today()) == 0
        # Paying oneself in dollars costs the fee.
        assert sound.ledger.earnings_of(dealer) == DOLLAR * 95 // 100
