"""What must hold after every fault, from the sources themselves."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from typer.testing import CliRunner

from assay.chain.events import Event
from assay.cli.main import commands
from assay.core.vouchers import day_of
from assay.core.wire import hexed
from assay.demo.parties import PREPAID_MICRO_USD
from tests.e2e.chaos.sources import Answer, answers, charges, events, journal, named
from tests.e2e.chaos.town import CHANNEL_MICRO_USD, Town

ATTEMPTS = 20


@dataclass(frozen=True)
class Books:
    """What broke; empty lists are as it should be.

    lost         receipts that a client or the gateway was given, and that are not paid on chain
    twice        claims posted or paid more than once
    overspent    what the owner's and the gateway's money, the payments and the earnings do not
                 agree about
    misjudged    games that the honest side lost, and lies that were not convicted
    differences  what `assay audit-books` finds of any day so far
    """

    claims: int
    lost: list[str]
    twice: list[str]
    overspent: list[str]
    misjudged: list[str]
    differences: list[str]

    def broken(self) -> list[list[str]]:
        return [self.lost, self.twice, self.overspent, self.misjudged, self.differences]


def check(town: Town, receipts: Sequence[str]) -> Books:
    """Compare everything; `receipts` are those that clients got from the honest provider.

    Again if a block came meanwhile: events and balances would be of different states.
    """
    network = town.arena.network
    for _ in range(ATTEMPTS):
        head = network.head()
        books = _compare(town, receipts)
        if network.head() == head:
            return books
    raise AssertionError("somebody sends transactions without end")


def _compare(town: Town, receipts: Sequence[str]) -> Books:
    found, claims, answered = events(town), journal(town.services.provider), answers(town)
    paid = [hexed(event.args["job_id"]) for event in named(found, "ClaimFinalised")]
    provider = town.arena.address("honest provider")
    honest = {job_id for job_id, answer in answered.items() if answer.provider == provider}
    given = {*receipts, *honest, *claims}
    return Books(
        claims=len(claims),
        lost=sorted(given - set(paid)) + _altered(answered, claims),
        twice=_twice(town, found, paid, claims),
        overspent=_overspent(town, found, claims) + _uncharged(town, answered, claims),
        misjudged=_misjudged(town, found),
        differences=_differences(town, found),
    )


def _altered(answered: dict[str, Answer], claims: dict[str, tuple[int, str]]) -> list[str]:
    """Receipts whose price the gateway and the provider do not agree about."""
    return [
        f"{job_id}: the gateway's price {answer.price}, the provider's {claims[job_id][0]}"
        for job_id, answer in answered.items()
        if job_id in claims and claims[job_id][0] != answer.price
    ]


def _uncharged(
    town: Town, answered: dict[str, Answer], claims: dict[str, tuple[int, str]]
) -> list[str]:
    """Claims that the gateway pays and its customer does not, and answers at another price."""
    charged = charges(town)
    missing = [job_id for job_id, (price, _) in claims.items() if charged.get(job_id) != price]
    return [f"{job_id}: paid, and its customer was not charged" for job_id in sorted(missing)] + [
        f"{job_id}: {answer.charged} charged, price {answer.price}"
        for job_id, answer in answered.items()
        if answer.charged != answer.price
    ]


def _twice(
    town: Town, found: Sequence[Event], paid: Sequence[str], claims: dict[str, tuple[int, str]]
) -> list[str]:
    twice = [job_id for job_id, count in Counter(paid).items() if count > 1]
    posted = sum(
        event.args["count"]
        for event in named(found, "BatchPosted")
        if event.args["provider"] == town.arena.address("honest provider")
    )
    if posted != len(claims):
        twice.append(f"{posted} claims are posted, {len(claims)} were made")
    return twice


def _overspent(town: Town, found: Sequence[Event], claims: dict[str, tuple[int, str]]) -> list[str]:
    ledger, consumer = town.arena.network.ledger, town.arena.address("consumer")
    payments = [e.args for e in named(found, "Paid") if e.args["consumer"] == consumer]
    brought = sum(e.args["usdc"] for e in named(found, "Collected"))
    dollars = sum(args["usdc"] for args in payments)
    fees = sum(args["fee"] for args in payments)
    today = day_of(town.arena.network.now())
    left = ledger.channel_state(town.customer.address, consumer, today).deposit
    figures = {
        "prices and payments": (sum(price for price, _ in claims.values()), dollars),
        "the gateway's balance": (
            PREPAID_MICRO_USD + brought - dollars,
            ledger.balance_of(consumer),
        ),
        "payments less fees and earnings": (
            dollars - fees,
            ledger.earnings_of(town.arena.address("honest provider")),
        ),
        "the channel's deposit": (CHANNEL_MICRO_USD - brought, left),
        "shortfall": (sum(args["shortfall"] for args in payments), 0),
    }
    return [f"{name}: {a} and {b}" for name, (a, b) in figures.items() if a != b]


def _misjudged(town: Town, found: Sequence[Event]) -> list[str]:
    """Every resolved game's winner must be the challenger of a lie or the accused provider."""
    provider = town.arena.address("honest provider")
    right = {town.arena.address("challenger"), provider}
    lost = [
        f"game {hexed(event.args['game_id'])}: {event.args['reason']}"
        for event in named(found, "GameResolved")
        if event.args["winner"] not in right
        or (event.args["game_id"] in town.false_games and event.args["winner"] != provider)
    ]
    convicted = len(named(found, "ClaimConvicted"))
    lies = len(journal(town.services.cheat))
    if convicted != lies or lies < len(town.lies):
        lost.append(f"{convicted} claims are convicted, {lies} are lies")
    return lost


def _differences(town: Town, found: Sequence[Event]) -> list[str]:
    """Each day's audit; and that the days' payments are all that were made."""
    last = day_of(town.arena.network.now())
    audits = [_audit(town, day) for day in range(town.first_day, last + 1)]
    differences = [
        f"day {audit['day']}: {row['kind']} of {row['subject']}: {row['expected']}, {row['found']}"
        for audit in audits
        for row in audit["findings"]
    ]
    paid = sum(audit["paid"] for audit in audits)
    made = sum(event.args["usdc"] + event.args["credit"] for event in named(found, "Paid"))
    if paid != made:
        differences.append(f"the audits know of {paid} micro-USD that were paid of {made}")
    return differences


def _audit(town: Town, day: int) -> dict[str, Any]:
    """`assay audit-books --day DAY --json`."""
    settings = {
        "ASSAY_RPC_URL": town.arena.anvil.url,
        "ASSAY_DEPLOYMENT": str(town.folder / "deployment"),
        "ASSAY_GATEWAY_DATABASE_URL": town.databases.gateway,
        "ASSAY_INDEX_DATABASE_URL": town.databases.index,
    }
    result = CliRunner().invoke(
        commands, ["audit-books", "--day", str(day), "--json"], env=settings
    )
    found: dict[str, Any] = json.loads(result.stdout)
    assert result.exit_code == bool(found["findings"]), result.output
    return found
