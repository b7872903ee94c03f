"""Jobs that were released and are paid on chain all the same: charged once, whoever sees it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from assay.core.database import reading, writing
from assay.core.types import Receipt
from assay.gateway.accounts.books import Admitted, Payment, settle
from assay.gateway.accounts.debts import DISTRUST_SECONDS, Outlay, charge
from assay.gateway.tables import distrusted, released
from assay.gateway.writer import Writer
from tests.offchain.gateway.test_books import (
    DAY,
    NOW,
    OTHER,
    OWNER,
    Bookkeeper,
    ask,
    refusal,
    replicas,
)

__all__ = ["replicas"]

PROVIDER = "0x" + "33" * 20
PRICE = 7


@pytest.fixture
def keeper(engine: Engine) -> Bookkeeper:
    return Bookkeeper(engine)


def released_job(keeper: Bookkeeper, owner: str = OWNER) -> Outlay:
    """A job of the owner's that lapsed, and what the chain pays for it a day later."""
    asked = ask(keeper.key(owner))
    assert isinstance(keeper.admit(asked)[0], Admitted)
    keeper.settle(asked.job_id, None)
    return Outlay(asked.job_id, PROVIDER, PRICE, DAY + 1, int(NOW) + 86_400)


def test_replicas_charge_once(keeper: Bookkeeper, replicas: list[Writer]) -> None:
    """Two replicas see each payment of two owners several times, at once and later again."""
    for owner in (OWNER, OTHER):
        keeper.fund(owner, prepaid=100)
    paid = [released_job(keeper, (OWNER, OTHER)[number % 2]) for number in range(8)]
    seen = [(replicas[number % 2], one) for number in range(4) for one in paid]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda told: told[0].submit(charge, told[1]).result(), seen))
    assert sorted(filter(None, found)) == [OWNER] * 4 + [OTHER] * 4
    with writing(keeper.engine) as connection:
        assert charge(connection, [*paid, *paid]) == [None] * 16
    left = [keeper.page(owner).accounts[owner].prepaid for owner in (OWNER, OTHER)]
    assert left == [100 - 4 * PRICE] * 2
    row = next(row for row in keeper.used() if row["receipt_id"] == paid[0].job_id)
    assert (row["owner"], row["price"], row["from_prepaid"]) == (OWNER, PRICE, PRICE)
    assert (row["day"], row["tokens_in"], row["tokens_out"]) == (DAY + 1, 3, 0)
    assert len(keeper.used()) == 8
    with reading(keeper.engine) as connection:
        assert connection.execute(select(released)).all() == []
        until = connection.execute(select(distrusted)).all()
    assert [tuple(row) for row in until] == [(PROVIDER, int(NOW) + 86_400 + DISTRUST_SECONDS)]


def test_what_is_owed_is_paid_before_anything_else(keeper: Bookkeeper) -> None:
    keeper.fund(channel=10)
    outlay, key = released_job(keeper), keeper.key()
    with writing(keeper.engine) as connection:
        assert charge(connection, [outlay]) == [OWNER]
    assert keeper.page().accounts[OWNER].prepaid == -PRICE
    tomorrow = DAY + 1
    keeper.fund(channel=PRICE - 2, day=tomorrow)
    assert refusal(keeper.admit(ask(key, 1, day=tomorrow))[0]) == (402, "account_exhausted")
    keeper.fund(channel=PRICE + 3, day=tomorrow)
    page = keeper.page(OWNER, tomorrow)
    channel = page.days[OWNER, tomorrow]
    assert (channel.metered, channel.repaid, channel.left) == (PRICE, PRICE, 3)
    assert page.accounts[OWNER].prepaid == 0
    outcomes = keeper.admit(ask(key, 4, day=tomorrow), ask(key, 3, day=tomorrow))
    assert refusal(outcomes[0]) == (402, "account_exhausted")
    assert outcomes[1] == Admitted(credit=0)


def test_prepaid_dollars_pay_what_is_owed(keeper: Bookkeeper) -> None:
    keeper.fund(prepaid=10)
    outlay, key = released_job(keeper), keeper.key()
    keeper.admit(spent := ask(key, 10))
    keeper.settle(spent.job_id, 10)
    with writing(keeper.engine) as connection:
        charge(connection, [outlay])
    keeper.fund(prepaid=PRICE + 4)
    outcomes = keeper.admit(ask(key, 5), ask(key, 4))
    assert refusal(outcomes[0]) == (402, "account_exhausted")
    assert outcomes[1] == Admitted(credit=0)


def test_a_job_that_was_charged_is_not_charged_again(keeper: Bookkeeper) -> None:
    """Answered in time, or paid before it lapsed: the payment on chain changes nothing more."""
    keeper.fund(prepaid=100)
    answered, paid = (ask(keeper.key()) for _ in range(2))
    keeper.admit(answered, paid)
    with writing(keeper.engine) as connection:
        settle(connection, {answered.job_id: Receipt(answered.job_id, bytes(32), 2, PRICE)})
        settle(connection, {paid.job_id: Payment(PRICE - 1)})
        settle(connection, dict.fromkeys((answered.job_id, paid.job_id)))
        outlay = Outlay(answered.job_id, PROVIDER, PRICE, DAY, int(NOW))
        assert charge(connection, [outlay, replace(outlay, job_id=paid.job_id)]) == [None, None]
        assert connection.execute(select(distrusted)).all() == []
    assert keeper.page().accounts[OWNER].prepaid == 100 - PRICE - (PRICE - 1)
    assert keeper.page().accounts[OWNER].prepaid_reserved == 0
