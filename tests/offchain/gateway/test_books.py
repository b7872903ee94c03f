"""Admission and settlement in both databases: nobody spends more than there is."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from assay.core.database import open_database, reading, writing
from assay.core.errors import InputError
from assay.core.types import Receipt
from assay.gateway.accounts.books import Admitted, Asked, Books, settle
from assay.gateway.accounts.caller import Caller, RateLimited
from assay.gateway.accounts.channels import Reading, write_readings
from assay.gateway.accounts.keys import _create, new_key, open_account
from assay.gateway.accounts.limits import Rates
from assay.gateway.accounts.page import Key, Page
from assay.gateway.tables import REVISIONS, accounts, reservations, usage
from assay.gateway.writer import Writer

OWNER, OTHER = "0x" + "11" * 20, "0x" + "22" * 20
DAY, NOW = 20_000, 20_000 * 86_400.0
UNLIMITED = Books(Rates(None, None), None)


class Bookkeeper:
    """One replica's books, and what is in them."""

    def __init__(self, engine: Engine, books: Books = UNLIMITED) -> None:
        self.engine = engine
        self.books = books

    def key(self, owner: str = OWNER, **changes: Any) -> Key:
        _, key = new_key(owner, "", 0)
        with writing(self.engine) as connection:
            (made,) = _create(connection, [replace(key, **changes)])
        assert isinstance(made, Key)
        return made

    def fund(self, owner: str = OWNER, channel: int = 0, prepaid: int = 0, day: int = DAY) -> None:
        with writing(self.engine) as connection:
            open_account(connection, owner)
            page = Page(connection, [owner])
            page.accounts[owner].prepaid += prepaid
            page.write()
            write_readings(connection, [Reading(owner, day, channel, 0, True)])

    def admit(self, *asked: Asked) -> list[Admitted | InputError]:
        with writing(self.engine) as connection:
            return self.books.admit(connection, asked)

    def settle(self, job_id: bytes, price: int | None, tokens: int = 1) -> None:
        receipt = None if price is None else Receipt(job_id, bytes(32), tokens, price)
        with writing(self.engine) as connection:
            settle(connection, {job_id: receipt})

    def page(self, owner: str = OWNER, day: int = DAY, *key_ids: str) -> Page:
        with writing(self.engine) as connection:
            return Page(connection, [owner], [day], key_ids)

    def used(self) -> list[dict[str, Any]]:
        with reading(self.engine) as connection:
            return [dict(row) for row in connection.execute(select(usage)).mappings()]


@pytest.fixture
def keeper(engine: Engine) -> Bookkeeper:
    return Bookkeeper(engine)


def ask(key: Key | None, wanted: int = 10, **changes: Any) -> Asked:
    caller = Caller("1.2.3.4")
    if key is not None:
        caller = Caller("1.2.3.4", key.owner, key.key_id, key.hash)
    asked = Asked(secrets.token_bytes(32), caller, "m", 3, 4, wanted, int(NOW) + 600, DAY, NOW)
    return replace(asked, **changes)


def refusal(outcome: Admitted | InputError) -> tuple[int, str]:
    assert isinstance(outcome, InputError), outcome
    return outcome.status, outcome.code


def test_default_behavior(keeper: Bookkeeper) -> None:
    """The channel pays first, then prepaid dollars; the answer costs what its receipt says."""
    key = keeper.key()
    keeper.fund(channel=15, prepaid=100)
    first, second = ask(key), ask(key)
    outcomes = keeper.admit(first, second)
    assert outcomes == [Admitted(credit=105), Admitted(credit=95)]
    page = keeper.page(OWNER, DAY, key.key_id)
    assert (page.days[OWNER, DAY].reserved, page.accounts[OWNER].prepaid_reserved) == (15, 5)
    assert page.keys[key.key_id].reserved == 20
    keeper.settle(second.job_id, 7, tokens=2)
    keeper.settle(first.job_id, 9)
    page = keeper.page(OWNER, DAY, key.key_id)
    channel, account, kept = page.days[OWNER, DAY], page.accounts[OWNER], page.keys[key.key_id]
    assert (channel.metered, channel.reserved) == (14, 0)
    assert (account.prepaid, account.prepaid_reserved) == (98, 0)
    assert (kept.spent, kept.reserved, kept.day) == (16, 0, DAY)
    rows = {bytes(row["receipt_id"]): row for row in keeper.used()}
    assert rows[second.job_id] == {
        "receipt_id": second.job_id, "owner": OWNER, "key_id": key.key_id, "day": DAY,
        "model": "m", "tokens_in": 3, "tokens_out": 2, "price": 7,
        "from_channel": 5, "from_prepaid": 2, "discount_bps": None,
    }  # fmt: skip
    assert sum(row["price"] for row in rows.values()) == channel.metered + 100 - account.prepaid


def test_a_job_is_settled_once(keeper: Bookkeeper) -> None:
    key = keeper.key()
    keeper.fund(prepaid=20)
    asked = ask(key)
    keeper.admit(asked)
    for price in (6, 6, None):
        keeper.settle(asked.job_id, price)
    assert keeper.page().accounts[OWNER].prepaid == 14
    assert len(keeper.used()) == 1


def test_the_bill_has_the_discount(keeper: Bookkeeper) -> None:
    key = keeper.key()
    keeper.fund(prepaid=20)
    keeper.admit(asked := ask(key, discount_bps=5_000))
    keeper.settle(asked.job_id, 6)
    assert [(row["price"], row["discount_bps"]) for row in keeper.used()] == [(6, 5_000)]


def test_a_job_that_lapses_costs_nothing(keeper: Bookkeeper) -> None:
    key = keeper.key()
    keeper.fund(channel=10)
    asked = ask(key)
    keeper.admit(asked)
    keeper.settle(asked.job_id, None)
    assert keeper.page().days[OWNER, DAY].left == 10
    assert keeper.used() == []


def test_an_exhausted_account_and_an_exhausted_key_are_told_apart(keeper: Bookkeeper) -> None:
    capped, free = keeper.key(daily_cap=25), keeper.key()
    keeper.fund(channel=40)
    outcomes = keeper.admit(ask(capped), ask(capped), ask(capped), ask(free, 21), ask(free, 20))
    assert refusal(outcomes[2]) == (402, "key_exhausted")
    assert refusal(outcomes[3]) == (402, "account_exhausted")
    assert outcomes[4] == Admitted(credit=0)


def test_a_cap_is_a_days(keeper: Bookkeeper) -> None:
    key = keeper.key(daily_cap=10)
    keeper.fund(prepaid=100)
    first, late = ask(key), ask(key, day=DAY + 1)
    keeper.admit(first)
    assert refusal(keeper.admit(ask(key))[0]) == (402, "key_exhausted")
    keeper.settle(first.job_id, 10)
    assert refusal(keeper.admit(ask(key))[0]) == (402, "key_exhausted")
    assert isinstance(keeper.admit(late)[0], Admitted)


def test_an_answer_after_midnight_is_paid_by_the_day_that_admitted_it(keeper: Bookkeeper) -> None:
    key = keeper.key(daily_cap=100)
    keeper.fund(channel=10)
    keeper.fund(channel=50, day=DAY + 1)
    first = ask(key)
    keeper.admit(first)
    keeper.admit(ask(key, day=DAY + 1))
    keeper.settle(first.job_id, 8)
    assert keeper.page().days[OWNER, DAY].metered == 8
    page = keeper.page(OWNER, DAY + 1, key.key_id)
    assert (page.days[OWNER, DAY + 1].metered, page.keys[key.key_id].spent) == (0, 0)


def test_credit_of_another_day_or_owner_pays_nothing(keeper: Bookkeeper) -> None:
    key = keeper.key()
    keeper.fund(channel=100, day=DAY - 1)
    keeper.fund(OTHER, channel=100, prepaid=100)
    assert refusal(keeper.admit(ask(key))[0]) == (402, "account_exhausted")


@pytest.mark.parametrize(
    "change", [{"revoked": 5}, {"expires": int(NOW)}, {"hash": b"another" * 5}], ids=str
)
def test_revert_a_key_that_is_none_any_more(keeper: Bookkeeper, change: dict[str, Any]) -> None:
    """Revoked, expired or rotated since it was looked up: the admission decides."""
    key = keeper.key()
    keeper.fund(prepaid=100)
    with writing(keeper.engine) as connection:
        page = Page(connection, [OWNER], key_ids=[key.key_id])
        vars(page.keys[key.key_id]).update(change)
        page.write()
    assert refusal(keeper.admit(ask(key))[0]) == (401, "invalid_api_key")
    assert refusal(keeper.admit(ask(replace(key, key_id="key_none")))[0])[0] == 401


def test_the_gateways_own_account_is_not_in_the_books(keeper: Bookkeeper) -> None:
    asked = ask(None)
    assert keeper.admit(asked) == [Admitted()]
    keeper.settle(asked.job_id, 5)
    assert keeper.used() == []


def test_requests_and_tokens_a_minute(engine: Engine) -> None:
    keeper = Bookkeeper(engine, Books(Rates(4, 20), None))
    key = keeper.key()
    keeper.fund(prepaid=10_000)
    first, second, third = keeper.admit(ask(key), ask(key), ask(key))
    assert isinstance(first, Admitted) and first.requests is not None and first.tokens is not None
    assert (first.requests.remaining, first.tokens.remaining) == (3, 13)
    assert isinstance(second, Admitted) and isinstance(third, RateLimited)
    assert (third.status, third.code) == (429, "rate_limit_exceeded") and "tokens" in str(third)
    assert third.retry_after == pytest.approx(3.0)
    later = ask(key, now=NOW + 3.0)
    assert isinstance(keeper.admit(later)[0], Admitted)
    keeper.settle(later.job_id, 1, tokens=1)  # four were reserved
    small, too_many = keeper.admit(
        *(ask(key, now=NOW + 3.0, tokens_in=1, tokens_out=1) for _ in range(2))
    )
    assert isinstance(small, Admitted)
    assert isinstance(too_many, RateLimited) and "requests" in str(too_many)
    (never,) = keeper.admit(ask(key, now=NOW + 60.0, tokens_out=18))
    assert isinstance(never, RateLimited) and "smaller" in str(never)


def test_a_clock_that_was_ahead_locks_nobody_out(engine: Engine) -> None:
    """Its requests are limited for a minute, not for as long as it was ahead."""
    keeper = Bookkeeper(engine, Books(Rates(2, None), 2))
    key = keeper.key()
    keeper.fund(prepaid=10_000)
    times = [NOW + 3_600.0, NOW + 3_600.0, NOW, NOW + 30.0]
    *_, refused, later = [keeper.admit(ask(key, now=now))[0] for now in times]
    assert isinstance(refused, RateLimited) and isinstance(later, Admitted)
    with writing(engine) as connection:
        found = keeper.books.count_address(connection, [("a", now) for now in times])
    assert isinstance(found[2], RateLimited) and not isinstance(found[3], InputError)


def test_a_refused_request_counts_for_nothing(engine: Engine) -> None:
    keeper = Bookkeeper(engine, Books(Rates(1, None), None))
    key = keeper.key()
    assert refusal(keeper.admit(ask(key))[0]) == (402, "account_exhausted")
    keeper.fund(prepaid=10)
    assert isinstance(keeper.admit(ask(key))[0], Admitted)


def test_addresses_without_a_key(engine: Engine) -> None:
    keeper = Bookkeeper(engine, Books(Rates(None, None), 2))
    with writing(engine) as connection:
        found = keeper.books.count_address(connection, [("a", NOW), ("a", NOW), ("b", NOW)])
        again = keeper.books.count_address(connection, [("a", NOW), ("a", NOW + 30.0)])
    assert [getattr(level, "remaining", None) for level in found] == [1, 0, 1]
    assert isinstance(again[0], RateLimited) and not isinstance(again[1], InputError)


@pytest.fixture
def replicas(database_url: str) -> Iterator[list[Writer]]:
    """Two writers of one database, as two processes have them."""
    engines = [open_database(database_url, REVISIONS) for _ in range(2)]
    writers = [Writer(engine) for engine in engines]
    yield writers
    for writer, engine in zip(writers, engines, strict=True):
        writer.close()
        engine.dispose()


def test_replicas_never_overspend(engine: Engine, replicas: list[Writer]) -> None:
    """Many at once, over two owners, with answers and refusals between them: 10 each is there for
    37 jobs, and a key's cap for 20."""
    keeper = Bookkeeper(engine)
    capped, free = keeper.key(daily_cap=200), keeper.key(OTHER)
    for owner in (OWNER, OTHER):
        keeper.fund(owner, channel=305, prepaid=70)

    def settle_all(connection: Any, jobs: Any) -> list[None]:
        settle(connection, {job: Receipt(job, bytes(32), 1, 10) for job in jobs})
        return [None for _ in jobs]

    def serve(number: int) -> bool:
        asked, writer = ask((capped, free)[number % 3 == 0]), replicas[number % 2]
        try:
            writer.submit(UNLIMITED.admit, asked).result()
        except InputError:
            return False
        if number % 5:
            writer.submit(settle_all, asked.job_id).result()
        return True

    with ThreadPoolExecutor(16) as pool:
        served = list(pool.map(serve, range(150)))
    admitted = {True: 0, False: 0}
    for number, ok in enumerate(served):
        admitted[number % 3 == 0] += ok
    assert admitted == {False: 20, True: 37}
    with reading(engine) as connection:
        spent = connection.execute(select(func.sum(usage.c.price))).scalar_one()
        held = connection.execute(
            select(func.sum(reservations.c.from_channel + reservations.c.from_prepaid))
        ).scalar_one()
        left = connection.execute(select(accounts).order_by(accounts.c.owner)).all()
    assert spent + held == 570
    assert all(row.prepaid >= row.prepaid_reserved >= 0 for row in left)
