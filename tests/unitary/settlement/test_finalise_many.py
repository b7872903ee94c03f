"""Settlement.finalise_many: several claims of a batch at once, all or nothing."""

from __future__ import annotations

from tests.support.market import SLASH, Market, earned, reverts
from tests.support.toy_game import open_game


def test_default_behavior(market: Market) -> None:
    claims = [market.claim() for _ in range(5)]
    batch_id = market.post(*claims)
    market.after_window()
    items = [claim.finalisation() for claim in (claims[3], claims[0], claims[4])]
    assert market.settlement.finalise_many(batch_id, items) == 3 * 1151
    assert market.ledger.earnings_of(market.provider) == 3 * earned(1151)
    assert market.providers.locked(market.provider) == 2 * SLASH
    assert [market.settlement.status(claim.claim_id) for claim in claims] == [1, 0, 0, 1, 1]


def test_as_many_as_fit(market: Market) -> None:
    market.fund_provider(10 * SLASH)
    claims = [market.claim() for _ in range(16)]
    batch_id = market.post(*claims)
    market.after_window()
    items = [claim.finalisation() for claim in claims]
    assert market.settlement.finalise_many(batch_id, items) == 16 * 1151


def test_none(market: Market) -> None:
    batch_id = market.post(market.claim())
    assert market.settlement.finalise_many(batch_id, []) == 0


def test_revert_one_of_them(market: Market) -> None:
    claims = [market.claim() for _ in range(3)]
    batch_id = market.post(*claims)
    open_game(market, claims[1])
    market.after_window()
    with reverts("settlement: a game is open"):
        market.settlement.finalise_many(batch_id, [claim.finalisation() for claim in claims])
    assert market.settlement.status(claims[0].claim_id) == 0
    assert market.ledger.earnings_of(market.provider) == 0


def test_revert_same_claim_twice(market: Market) -> None:
    claim = market.claim()
    market.post(claim)
    market.after_window()
    with reverts("settlement: job is paid already"):
        market.settlement.finalise_many(claim.batch_id, [claim.finalisation()] * 2)
