"""One day as three books tell it: the gateway's database, the index, and the chain.

Ids are 0x-hex, amounts micro-USD, days Unix time // 86,400.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """A job that was answered; `owner` is who was to be charged (None: the gateway itself).

    `place` is the claim's batch and index, if the gateway has learned them.
    """

    job_id: str
    owner: str | None
    consumer: str
    price: int
    place: tuple[str, int] | None


@dataclass(frozen=True)
class Usage:
    """What the gateway charged for an answer."""

    job_id: str
    owner: str
    price: int
    from_channel: int
    from_prepaid: int


@dataclass(frozen=True)
class ChannelDay:
    """What the gateway metered against an owner's channel, and what it thinks was collected.

    `delegated`: the gateway signs the vouchers itself. Else the owner does, for as much as it
    likes; dollars beyond what was metered are `returned` to its prepaid ones. Of `metered`, a part
    has `repaid` what it owed.
    """

    owner: str
    metered: int
    collected: int
    delegated: bool
    returned: int
    repaid: int = 0


@dataclass(frozen=True)
class Claim:
    """A claim as the index has it; amounts are zero until it is finalised.

    `fee_bps` is the protocol's fee when it was paid, `on_chain` the status that the settlement
    gives (None: not asked).
    """

    claim_id: str
    batch_id: str
    position: int
    job_id: str
    consumer: str
    status: str
    price: int
    credit: int
    usdc: int
    fee: int
    shortfall: int
    fee_bps: int
    on_chain: str | None = None

    @property
    def paid(self) -> int:
        return self.credit + self.usdc


@dataclass(frozen=True)
class Voucher:
    """What was collected of an owner's channel for the day, by the index, `usdc` of it in dollars;
    `on_chain` by the ledger (None: it keeps two days only)."""

    owner: str
    payee: str
    collected: int
    usdc: int
    on_chain: int | None = None


@dataclass(frozen=True)
class Day:
    """Everything that has to add up.

    answers   of the day, by job
    usage     charged on the day, by job
    channels  metered on the day, by owner
    claims    those of what was answered or charged, and all paid ones of the gateway's accounts
              posted on the day
    known     of the claims' jobs, those that were answered or charged on any day, or are its own
    vouchers  of the day, to the gateway's accounts
    fees      what the ledger holds as fees: by the index, and by the chain
    """

    day: int
    answers: Mapping[str, Answer]
    usage: Mapping[str, Usage]
    channels: Mapping[str, ChannelDay]
    claims: Sequence[Claim]
    known: frozenset[str]
    vouchers: Sequence[Voucher]
    fees: tuple[int, int]


@dataclass(frozen=True)
class Finding:
    """Two books that differ: of which thing, what each says."""

    kind: str
    subject: str
    expected: str
    found: str
