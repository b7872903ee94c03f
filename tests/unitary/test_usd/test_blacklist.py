"""TestUSD.blacklist: as USDC's, for every way that dollars move."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.evm import event, reverts
from tests.unitary.test_usd.conftest import HELD, Dollars, authorization, bring

Move = Callable[[Dollars], object]

MOVES: dict[str, tuple[Move, tuple[str, ...]]] = {
    "transfer": (
        lambda d: d.token.transfer(d.recipient, 1, sender=d.holder),
        ("holder", "recipient"),
    ),
    "transferFrom": (
        lambda d: d.token.transferFrom(d.holder, d.recipient, 1, sender=d.spender),
        ("holder", "recipient", "spender"),
    ),
    "approve": (
        lambda d: d.token.approve(d.spender, 1, sender=d.holder),
        ("holder", "spender"),
    ),
    "mint": (lambda d: d.token.mint(d.recipient, 1, sender=d.owner), ("recipient",)),
    "transferWithAuthorization": (
        lambda d: bring(d, authorization(d)),
        ("holder", "recipient", "spender"),
    ),
    "burn": (lambda d: d.token.burn(1, sender=d.holder), ("holder",)),
}


@pytest.mark.parametrize("status", [True, False])
def test_default_behavior(dollars: Dollars, status: bool) -> None:
    dollars.token.blacklist(dollars.holder, status, sender=dollars.owner)
    logged = event(dollars.token, "Blacklisted")
    assert (logged.account, logged.status) == (dollars.holder, status)
    assert dollars.token.is_blacklisted(dollars.holder) == status
    assert dollars.token.balanceOf(dollars.holder) == HELD


def test_revert_by_a_stranger(dollars: Dollars) -> None:
    with reverts("ownable: caller is not the owner"):
        dollars.token.blacklist(dollars.owner, True, sender=dollars.holder)


@pytest.mark.parametrize(
    ("name", "party"), [(name, party) for name, (_, parties) in MOVES.items() for party in parties]
)
def test_revert_blacklisted(dollars: Dollars, name: str, party: str) -> None:
    move, _ = MOVES[name]
    dollars.token.blacklist(getattr(dollars, party), True, sender=dollars.owner)
    with reverts("test_usd: blacklisted"):
        move(dollars)
    dollars.token.blacklist(getattr(dollars, party), False, sender=dollars.owner)
    move(dollars)


@pytest.mark.parametrize("name", MOVES)
def test_revert_paused(dollars: Dollars, name: str) -> None:
    move, _ = MOVES[name]
    dollars.token.pause(True, sender=dollars.owner)
    assert event(dollars.token, "Paused").status and dollars.token.paused()
    with reverts("test_usd: paused"):
        move(dollars)
    dollars.token.pause(False, sender=dollars.owner)
    assert not event(dollars.token, "Paused").status
    move(dollars)


def test_revert_pause_by_a_stranger(dollars: Dollars) -> None:
    with reverts("ownable: caller is not the owner"):
        dollars.token.pause(True, sender=dollars.holder)


@pytest.mark.parametrize("name", MOVES)
def test_others_are_not_affected(dollars: Dollars, name: str) -> None:
    dollars.token.blacklist("0x" + "77" * 20, True, sender=dollars.owner)
    MOVES[name][0](dollars)
