"""The verdict on a day: its sums, what is not paid and why, and what does not add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assay.books.entries import Claim, Day, Finding
from assay.books.rules import RULES, reason_of


@dataclass(frozen=True)
class Unpaid:
    """An answer, or the part of it, that nobody was paid for (yet)."""

    job_id: str
    reason: str
    amount: int


@dataclass(frozen=True)
class Audit:
    """Sums in micro-USD: what was charged, receipted, claimed, paid (with fees), collected.

    `charged` and `paid` count claims that no receipt was shown of, too.
    """

    day: int
    answers: int
    charged: int
    own_cost: int
    receipts: int
    claimed: int
    paid: int
    fees: int
    collected: int
    unpaid: Sequence[Unpaid]
    findings: Sequence[Finding]

    def by_reason(self) -> Mapping[str, tuple[int, int]]:
        """How many answers are unpaid for each reason, and how much."""
        counts: Counter[str] = Counter()
        amounts: Counter[str] = Counter()
        for entry in self.unpaid:
            counts[entry.reason] += 1
            amounts[entry.reason] += entry.amount
        return {reason: (counts[reason], amounts[reason]) for reason in sorted(counts)}


def audited(day: Day) -> Audit:
    """Apply every rule; then receipts = paid + unpaid must hold, or else something is missing."""
    claims = _claims_by_job(day)
    unpaid = [
        Unpaid(job_id, reason, _missing(answer.price, claims.get(job_id)))
        for job_id, answer in sorted(day.answers.items())
        if (reason := reason_of(claims.get(job_id))) is not None
    ]
    findings = [finding for rule in RULES for finding in rule(day)]
    answered = [claims[job_id] for job_id in day.answers if job_id in claims]
    unseen = [claims[job_id] for job_id in day.usage.keys() - day.answers if job_id in claims]
    receipts = sum(answer.price for answer in day.answers.values())
    paid = sum(claim.paid for claim in answered)
    left = receipts - paid - sum(entry.amount for entry in unpaid)
    if left and not findings:
        findings = [Finding("sum_differs", "receipts", str(receipts), str(receipts - left))]
    return Audit(
        day=day.day,
        answers=len(day.answers),
        charged=sum(usage.price for usage in day.usage.values()),
        own_cost=sum(answer.price for answer in day.answers.values() if answer.owner is None),
        receipts=receipts,
        claimed=sum(answer.price for job_id, answer in day.answers.items() if job_id in claims),
        paid=paid + sum(claim.paid for claim in unseen),
        fees=sum(claim.fee for claim in (*answered, *unseen)),
        collected=sum(voucher.collected for voucher in day.vouchers),
        unpaid=unpaid,
        findings=findings,
    )


def _claims_by_job(day: Day) -> dict[str, Claim]:
    """The claim of each answer: the paid one, if there are several."""
    found: dict[str, Claim] = {}
    places = {answer.place: job_id for job_id, answer in day.answers.items() if answer.place}
    for claim in day.claims:
        job_id = claim.job_id or places.get((claim.batch_id, claim.position), "")
        if job_id and (job_id not in found or claim.status == "finalised"):
            found[job_id] = claim
    return found


def _missing(price: int, claim: Claim | None) -> int:
    return claim.shortfall if claim is not None and claim.status == "finalised" else price
