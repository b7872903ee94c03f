"""The burn auction: locking its owner out, coming back in a callback, paying with others' ASSAY."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import boa
import pytest

from tests.attacks.arena import Defect, economy
from tests.support.economy import AUCTION, DOLLAR, ETHER, Economy
from tests.support.evm import DAY, now, reverts
from tests.unitary.burn_auction.takers import plain_taker, reader

CODE = "treasury/BurnAuction"
LOT = 1_000 * DOLLAR
NO_LIMIT = 2**256 - 1
FLOOR, MULTIPLE, DURATION, CAP, LEAST, INTERVAL = AUCTION

BACK_TO_BACK = Defect(
    CODE, '    assert 2 * duration <= interval, "burn_auction: interval too short"\n', ""
)
UNLOCKED = Defect(CODE, "# pragma nonreentrancy on\n", "")
SOLD_LATE = (
    Defect(
        CODE,
        "    self.auction.left_usd_micro -= taken\n",
        "    left: uint256 = self.auction.left_usd_micro - taken\n",
    ),
    Defect(
        CODE,
        "    log IBurnAuction.Taken(\n",
        "    self.auction.left_usd_micro = left\n    log IBurnAuction.Taken(\n",
    ),
)
PAID_BY_WHOM_IS_NAMED = Defect(CODE, "        return msg.sender\n", "        return recipient\n")
UNASKED = Defect(
    CODE, '    assert answer == CONSENT, "burn_auction: recipient did not consent"\n', ""
)
COMES_BACK = Defect(
    CODE,
    "block.timestamp < self.ends_at",
    "block.timestamp < self.auction.started_at + self.parameters.duration_seconds",
)
LAST_TAKE = (
    Defect(
        CODE,
        "auction_count: public(uint256)\n",
        "auction_count: public(uint256)\nlast_take: uint256\n",
    ),
    Defect(CODE, "    self.auction.burned += due\n", "    self.last_take = price\n"),
    Defect(
        CODE,
        "(self.auction.burned * DOLLAR + unsold) // lot",
        "max(self.last_take, unsold // lot)",
    ),
)

CARELESS_WALLET = """
# pragma version 0.4.3
@external
def execute(target: address, payload: Bytes[2048]):
    raw_call(target, payload)

@external
def __default__() -> bytes4:
    return 0x01020304
"""


def started(economy: Economy, lot: int = LOT) -> None:
    economy.give(economy.auction.address, usd_micro=lot)
    economy.auction.start()


# The owner.


def locked_out(economy: Economy) -> bool:
    """Start the next one in the first second, for a week: is the owner ever let in?"""
    terms = (FLOOR, MULTIPLE, DURATION, CAP, LEAST, DURATION)
    economy.auction.set_parameters(terms, sender=economy.owner)
    economy.give(economy.auction.address, usd_micro=LOT)
    for _ in range(7 * DAY // DURATION // 8):
        economy.auction.start()
        boa.env.time_travel(seconds=DURATION - 1)
        with reverts("burn_auction: an auction is live"):
            economy.auction.set_parameters(AUCTION, sender=economy.owner)
        boa.env.time_travel(seconds=1)
    return int(economy.auction.next_start()) == now()


def test_the_owner_is_not_locked_out() -> None:
    with economy() as sound, reverts("burn_auction: interval too short"):
        locked_out(sound)


def test_locking_out_bites() -> None:
    with economy(BACK_TO_BACK) as defective:
        assert locked_out(defective)


def revived(economy: Economy) -> bool:
    """An auction that is over, and then parameters by which it would not be."""
    started(economy)
    boa.env.time_travel(seconds=DURATION)
    assert not economy.auction.is_live()
    longer = (FLOOR, MULTIPLE, 2 * DAY, CAP, LEAST, 4 * DAY)
    economy.auction.set_parameters(longer, sender=economy.owner)
    return bool(economy.auction.is_live())


@pytest.mark.parametrize(("defects", "lives"), [((), False), ((COMES_BACK,), True)])
def test_what_is_over_stays_over(defects: tuple[Defect, ...], lives: bool) -> None:
    with economy(*defects) as one:
        assert revived(one) == lives


# Callbacks.


def taken_twice(economy: Economy) -> int:
    """Take the lot, and in the callback take it again: dollars beyond the lot."""
    started(economy)
    economy.give(economy.auction.address, usd_micro=LOT)  # for the next auction
    taker = plain_taker(economy.auction, economy.token)
    economy.give(taker.address, assay=10**6 * ETHER)
    again = economy.auction.take.prepare_calldata(LOT, NO_LIMIT, taker.address, b"")
    taker.plan(economy.auction, again)
    approve = economy.token.approve.prepare_calldata(economy.auction, NO_LIMIT)
    boa.env.raw_call(economy.token.address, sender=taker.address, data=approve)
    taker.take(LOT, NO_LIMIT)
    return int(economy.usdc.balanceOf(taker)) - LOT


@pytest.mark.parametrize("defects", [(), (UNLOCKED,), SOLD_LATE])
def test_taking_twice_fails(defects: tuple[Defect, ...]) -> None:
    """For two reasons, of which one is enough: the lock, and what is sold is counted first."""
    with economy(*defects) as one:
        assert taken_twice(one) == 0


def test_taking_twice_bites() -> None:
    """Only without both."""
    with economy(UNLOCKED, *SOLD_LATE) as defective:
        assert taken_twice(defective) == LOT


def seen_in_callback(economy: Economy) -> bytes:
    """What another contract reads of the auction before its ASSAY is burned."""
    started(economy)
    taker, other = plain_taker(economy.auction, economy.token), reader()
    economy.give(taker.address, assay=10**6 * ETHER)
    question = economy.auction.last_price.prepare_calldata()
    taker.plan(other, other.ask.prepare_calldata(economy.auction, question))
    taker.take(LOT, NO_LIMIT)
    return bytes(taker.response()) if taker.succeeded() else b""


def test_nobody_reads_an_unpaid_price() -> None:
    with economy() as sound:
        assert seen_in_callback(sound) == b""


def test_reading_an_unpaid_price_bites() -> None:
    """A price of twice the floor that nobody has paid yet."""
    with economy(UNLOCKED) as defective:
        seen = seen_in_callback(defective)
        assert int.from_bytes(seen[64:96], "big") == 2 * FLOOR


# Payers.


def pays_for_a_stranger(economy: Economy) -> int:
    """A taker has approved the auction; a stranger takes, at the price of the first second, in
    its name. What the taker pays."""
    started(economy)
    taker = economy.give(boa.env.generate_address("taker"), assay=10**6 * ETHER)
    economy.token.approve(economy.auction.address, NO_LIMIT, sender=taker)
    stranger = boa.env.generate_address("stranger")
    with suppress(boa.BoaError):
        economy.auction.take(LOT, NO_LIMIT, taker, b"", sender=stranger)
    return 10**6 * ETHER - int(economy.token.balanceOf(taker))


@pytest.mark.parametrize(("defects", "pays"), [((), False), ((PAID_BY_WHOM_IS_NAMED,), True)])
def test_payers(defects: tuple[Defect, ...], pays: bool) -> None:
    with economy(*defects) as one:
        assert (pays_for_a_stranger(one) > 0) == pays


def wallet_pays(economy: Economy) -> int:
    """The same with a wallet that answers anything to any call."""
    started(economy)
    wallet: Any = boa.loads(CARELESS_WALLET)
    economy.give(wallet.address, assay=10**6 * ETHER)
    approve = economy.token.approve.prepare_calldata(economy.auction, NO_LIMIT)
    wallet.execute(economy.token, approve)
    with suppress(boa.BoaError):
        economy.auction.take(LOT, NO_LIMIT, wallet, b"now", sender=boa.env.generate_address())
    return 10**6 * ETHER - int(economy.token.balanceOf(wallet))


@pytest.mark.parametrize(("defects", "pays"), [((), False), ((UNASKED,), True)])
def test_wallets(defects: tuple[Defect, ...], pays: bool) -> None:
    with economy(*defects) as one:
        assert (wallet_pays(one) > 0) == pays


# Prices.


def price_after_a_micro_dollar(economy: Economy) -> int:
    """Take one at the highest price; nobody takes the rest. The price of the next auction."""
    started(economy)
    taker = economy.give(boa.env.generate_address("taker"), assay=ETHER)
    economy.token.approve(economy.auction.address, ETHER, sender=taker)
    economy.auction.take(1, NO_LIMIT, taker, b"", sender=taker)
    boa.env.time_travel(seconds=INTERVAL)
    economy.auction.start()
    return int(economy.auction.price())


@pytest.mark.parametrize(("defects", "times"), [((), 2), (LAST_TAKE, 4)])
def test_a_micro_dollar_sets_no_price(defects: tuple[Defect, ...], times: int) -> None:
    with economy(*defects) as one:
        assert price_after_a_micro_dollar(one) - times * FLOOR <= 2 * FLOOR // LOT + 2
        assert one.auction.price() >= times * FLOOR
