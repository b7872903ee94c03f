"""The gateway's tables. Amounts are micro-USD, times Unix seconds, days UTC days since 1970.

    jobs            every job that was signed, and what came back
    reservations    what jobs under way may still cost; a row goes when its job is settled, or
                    lapses at the job's deadline
    released        jobs that held money back and were not charged: whom it costs if the chain
                    pays for one after all. They stay, as a claim may be paid at any time
    positions       up to which block something was read that is never read again
    distrusted      providers that took money for answers that they withheld, until when
    usage           one row for each answer of an account: tokens, price, and who paid
    accounts        the prepaid dollars of a key's owner, below zero what it owes; its row's lock
                    serialises its books
    channel_days    what the owner's channel pays on a day, and what was metered against it
    keys            API keys by their hash, with what each has spent today and its rate limit
    addresses       the rate limit of callers without a key
    used_nonces     sign-in messages that must not be used again, until they expire
    deposits        x402 payments by payer and nonce: each counts once
    leases          what one replica at a time may do, until when

Nothing here refers to another table by a foreign key: rows are written in one transaction, and
answers outlive keys and accounts.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

REVISIONS = Path(__file__).parent / "migrations"

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("job_id", LargeBinary, primary_key=True),
    Column("model", Text, nullable=False),
    Column("job", Text, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    Column("salt", LargeBinary, nullable=False),
    Column("prompt", Text, nullable=False),
    Column("provider_url", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("discount_bps", Integer),
    Column("owner", String(42)),
    Column("output", Text),
    Column("receipt", Text),
    Column("receipt_signature", LargeBinary),
    Column("batch", Text),
)

reservations = Table(
    "reservations",
    metadata,
    Column("job_id", LargeBinary, primary_key=True),
    Column("owner", String(42), nullable=False),
    Column("key_id", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("tokens_in", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("from_channel", BigInteger, nullable=False),
    Column("from_prepaid", BigInteger, nullable=False),
    Column("deadline", BigInteger, nullable=False),
    Column("discount_bps", Integer),
    Index("reservations_by_deadline", "deadline"),
)

released = Table(
    "released",
    metadata,
    Column("job_id", LargeBinary, primary_key=True),
    Column("owner", String(42), nullable=False),
    Column("key_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tokens_in", Integer, nullable=False),
    Column("discount_bps", Integer),
)

positions = Table(
    "positions",
    metadata,
    Column("name", Text, primary_key=True),
    Column("block", BigInteger, nullable=False),
    Column("hash", Text, nullable=False),
)

distrusted = Table(
    "distrusted",
    metadata,
    Column("provider", String(42), primary_key=True),
    Column("until", BigInteger, nullable=False),
)

usage = Table(
    "usage",
    metadata,
    Column("receipt_id", LargeBinary, primary_key=True),
    Column("owner", String(42), nullable=False),
    Column("key_id", Text, nullable=False),
    Column("day", Integer, nullable=False),
    Column("model", Text, nullable=False),
    Column("tokens_in", Integer, nullable=False),
    Column("tokens_out", Integer, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("from_channel", BigInteger, nullable=False),
    Column("from_prepaid", BigInteger, nullable=False),
    Column("discount_bps", Integer),
    Index("usage_by_owner", "owner", "day"),
)

accounts = Table(
    "accounts",
    metadata,
    Column("owner", String(42), primary_key=True),
    Column("prepaid", BigInteger, nullable=False, default=0),
    Column("prepaid_reserved", BigInteger, nullable=False, default=0),
)

channel_days = Table(
    "channel_days",
    metadata,
    Column("owner", String(42), primary_key=True),
    Column("day", Integer, primary_key=True),
    Column("ceiling", BigInteger, nullable=False, default=0),
    Column("metered", BigInteger, nullable=False, default=0),
    Column("reserved", BigInteger, nullable=False, default=0),
    Column("collected", BigInteger, nullable=False, default=0),
    Column("delegated", Boolean, nullable=False, default=False),
    Column("voucher", BigInteger, nullable=False, default=0),
    Column("voucher_signature", LargeBinary),
    Column("returned", BigInteger, nullable=False, default=0),
    Column("repaid", BigInteger, nullable=False, default=0, server_default="0"),
)

keys = Table(
    "keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("hash", LargeBinary, nullable=False, unique=True),
    Column("prefix", Text, nullable=False),
    Column("owner", String(42), nullable=False),
    Column("label", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
    Column("daily_cap", BigInteger),
    Column("day", Integer, nullable=False, default=0),
    Column("spent", BigInteger, nullable=False, default=0),
    Column("reserved", BigInteger, nullable=False, default=0),
    Column("requests_used", Double, nullable=False, default=0.0),
    Column("tokens_used", Double, nullable=False, default=0.0),
    Column("rated_at", Double, nullable=False, default=0.0),
    Index("keys_by_owner", "owner"),
)

addresses = Table(
    "addresses",
    metadata,
    Column("address", Text, primary_key=True),
    Column("requests_used", Double, nullable=False, default=0.0),
    Column("rated_at", Double, nullable=False, default=0.0),
)

used_nonces = Table(
    "used_nonces",
    metadata,
    Column("nonce", Text, primary_key=True),
    Column("expires", BigInteger, nullable=False),
)

deposits = Table(
    "deposits",
    metadata,
    Column("payer", String(42), primary_key=True),
    Column("nonce", LargeBinary, primary_key=True),
    Column("amount", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("block", BigInteger, nullable=False),
    Column("transaction", Text),
    Column("credited", BigInteger),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", Double, nullable=False),
)
