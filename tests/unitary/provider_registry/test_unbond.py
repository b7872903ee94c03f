"""ProviderRegistry.request_unbond and withdraw: what backs claims cannot leave."""

from __future__ import annotations

import boa
import pytest

from tests.support.market import DELAY, SLASH, Market, event, reverts


def test_default_behavior(market: Market) -> None:
    ticket_id = market.providers.request_unbond(3 * SLASH, sender=market.provider)
    requested = event(market.providers, "UnbondRequested")
    assert (requested.ticket_id, requested.amount) == (ticket_id, 3 * SLASH) == (0, 3 * SLASH)
    assert requested.ready_at == market.now + DELAY
    assert market.providers.bonded(market.provider) == 7 * SLASH
    assert market.providers.ticket(market.provider, 0) == (3 * SLASH, market.now + DELAY)

    boa.env.time_travel(seconds=DELAY)
    assert market.providers.withdraw(0, sender=market.provider) == 3 * SLASH
    withdrawn = event(market.providers, "Withdrawn")
    assert (withdrawn.provider, withdrawn.ticket_id, withdrawn.amount) == (
        market.provider,
        0,
        3 * SLASH,
    )
    assert market.bond_token.balanceOf(market.provider) == 3 * SLASH
    assert market.providers.ticket(market.provider, 0) == (0, 0)


def test_tickets_have_clocks_of_their_own(market: Market) -> None:
    market.providers.request_unbond(1, sender=market.provider)
    boa.env.time_travel(seconds=DELAY - 1)
    assert market.providers.request_unbond(2, sender=market.provider) == 1
    boa.env.time_travel(seconds=1)
    assert market.providers.withdraw(0, sender=market.provider) == 1
    with reverts("tickets: not ready"):
        market.providers.withdraw(1, sender=market.provider)


def test_leaving_bond_backs_no_new_claim(market: Market) -> None:
    market.providers.request_unbond(9 * SLASH, sender=market.provider)
    market.post(market.claim())
    with reverts("provider_registry: bond too small"):
        market.post(market.claim())


@pytest.mark.parametrize("excess", [1, 2**255])
def test_revert_locked(market: Market, excess: int) -> None:
    market.post(market.claim(), market.claim())
    with reverts("provider_registry: bond is locked"):
        market.providers.request_unbond(8 * SLASH + excess, sender=market.provider)
    assert market.providers.bonded(market.provider) == 10 * SLASH
    market.providers.request_unbond(8 * SLASH, sender=market.provider)
    assert market.providers.free(market.provider) == 0


def test_revert_nothing(market: Market) -> None:
    with reverts("tickets: nothing to withdraw"):
        market.providers.request_unbond(0, sender=market.provider)


def test_revert_early(market: Market) -> None:
    market.providers.request_unbond(1, sender=market.provider)
    boa.env.time_travel(seconds=DELAY - 1)
    with reverts("tickets: not ready"):
        market.providers.withdraw(0, sender=market.provider)


def test_revert_twice_or_anothers(market: Market) -> None:
    market.providers.request_unbond(5, sender=market.provider)
    boa.env.time_travel(seconds=DELAY)
    with reverts("tickets: no such ticket"):
        market.providers.withdraw(0, sender=market.stranger)
    market.providers.withdraw(0, sender=market.provider)
    with reverts("tickets: no such ticket"):
        market.providers.withdraw(0, sender=market.provider)
    assert market.bond_token.balanceOf(market.provider) == 5
