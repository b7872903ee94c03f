"""What must hold of a day, rule by rule. Pure: no database, no chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from assay.books.entries import ChannelDay, Claim, Day, Finding

BPS = 10_000

Rule = Callable[[Day], Iterator[Finding]]


def charged(day: Day) -> Iterator[Finding]:
    """An owner is charged once for each answer, the receipt's price, from what it named; for a
    claim that was paid and not shown, what was paid."""
    paid = {claim.job_id: claim.paid for claim in day.claims if claim.status == "finalised"}
    for job_id, usage in day.usage.items():
        answer = day.answers.get(job_id)
        if paid.get(job_id) == usage.price:
            pass
        elif answer is None:
            yield _finding("usage_without_receipt", job_id, "an answer", usage.price)
        elif answer.price != usage.price:
            yield _finding("charged_otherwise", job_id, answer.price, usage.price)
        if usage.from_channel + usage.from_prepaid != usage.price:
            sources = usage.from_channel + usage.from_prepaid
            yield _finding("sources_differ", job_id, usage.price, sources)
    for job_id, answer in day.answers.items():
        if answer.owner is not None and job_id not in day.usage:
            yield _finding("not_charged", job_id, answer.price, 0)


def claimed(day: Day) -> Iterator[Finding]:
    """A claim that was paid is an answer's, with its price and its consumer, and the only one."""
    paid = [claim for claim in day.claims if claim.status == "finalised"]
    places = {answer.place: job_id for job_id, answer in day.answers.items() if answer.place}
    for claim in day.claims:
        job_id = places.get((claim.batch_id, claim.position), claim.job_id)
        if claim.job_id not in ("", job_id):
            yield _finding("other_job", claim.claim_id, job_id, claim.job_id)
    for claim in paid:
        answer = day.answers.get(claim.job_id)
        if answer is None:
            if claim.job_id not in day.known:
                yield _finding(
                    "unknown_claim", claim.claim_id, "a job that was charged", claim.job_id
                )
            continue
        if claim.price != answer.price:
            yield _finding("claimed_otherwise", claim.claim_id, answer.price, claim.price)
        if claim.consumer != answer.consumer:
            yield _finding("consumer_differs", claim.claim_id, answer.consumer, claim.consumer)
    for job_id, count in Counter(claim.job_id for claim in paid).items():
        if count > 1:
            yield _finding("paid_twice", job_id, 1, count)


def paid_out(day: Day) -> Iterator[Finding]:
    """Credit, dollars and what was short make the price; the fee is the rate's, rounded up."""
    for claim in day.claims:
        if claim.status != "finalised":
            continue
        if claim.paid + claim.shortfall != claim.price:
            yield _finding(
                "paid_otherwise", claim.claim_id, claim.price, claim.paid + claim.shortfall
            )
        fee = -(-claim.usdc * claim.fee_bps // BPS)
        if claim.fee != fee:
            yield _finding("fee_differs", claim.claim_id, fee, claim.fee)


def as_the_chain(day: Day) -> Iterator[Finding]:
    """The index says what the contracts say."""
    for claim in day.claims:
        if claim.on_chain not in (None, claim.status):
            yield _finding("status_differs", claim.claim_id, claim.on_chain, claim.status)
    for voucher in day.vouchers:
        if voucher.on_chain not in (None, voucher.collected):
            subject = f"{voucher.owner} to {voucher.payee}"
            yield _finding("voucher_differs", subject, voucher.on_chain, voucher.collected)
    if day.fees[0] != day.fees[1]:
        yield _finding("fees_differ", "CreditLedger.fees", day.fees[1], day.fees[0])


def metered(day: Day) -> Iterator[Finding]:
    """What a channel was metered for is its answers' prices, and what it owed before."""
    charged_to: Counter[str] = Counter()
    for usage in day.usage.values():
        charged_to[usage.owner] += usage.from_channel
    for owner in sorted({*charged_to, *day.channels}):
        channel = day.channels.get(owner)
        found = channel.metered - channel.repaid if channel else 0
        if found != charged_to[owner]:
            yield _finding("metered_differs", owner, charged_to[owner], found)


def collected(day: Day) -> Iterator[Finding]:
    """No more is collected than was metered; if an owner's own voucher brought more, its dollars
    are returned."""
    gathered: Counter[str] = Counter()
    dollars: Counter[str] = Counter()
    for voucher in day.vouchers:
        gathered[voucher.owner] += voucher.collected
        dollars[voucher.owner] += voucher.usdc
    for owner in sorted({*gathered, *day.channels}):
        channel = day.channels.get(owner) or ChannelDay(owner, 0, 0, True, 0)
        excess = max(gathered[owner] - channel.metered, 0)
        if excess and channel.delegated:
            most = f"at most {channel.metered}"
            yield _finding("collected_above_metered", owner, most, gathered[owner])
        elif channel.returned != min(excess, dollars[owner]):
            due = min(excess, dollars[owner])
            yield _finding("returned_differs", owner, due, channel.returned)
        if channel.collected > gathered[owner]:
            yield _finding("collected_differs", owner, gathered[owner], channel.collected)


RULES: tuple[Rule, ...] = (charged, claimed, paid_out, as_the_chain, metered, collected)


def reason_of(claim: Claim | None) -> str | None:
    """Why an answer is not paid in full; None if it is."""
    if claim is None:
        return "not posted, as far as is known"
    if claim.status == "finalised":
        return "underfunded" if claim.shortfall else None
    return "pending" if claim.status == "open" else claim.status


def _finding(kind: str, subject: str, expected: object, found: object) -> Finding:
    return Finding(kind, subject, str(expected), str(found))
