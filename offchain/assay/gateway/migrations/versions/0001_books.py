"""Jobs and answers, keys, accounts, limits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.LargeBinary, primary_key=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("job", sa.Text, nullable=False),
        sa.Column("signature", sa.LargeBinary, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("provider_url", sa.Text, nullable=False),
        sa.Column("created", sa.Double, nullable=False),
        sa.Column("owner", sa.String(42)),
        sa.Column("output", sa.Text),
        sa.Column("receipt", sa.Text),
        sa.Column("receipt_signature", sa.LargeBinary),
        sa.Column("batch", sa.Text),
    )
    op.create_table(
        "reservations",
        sa.Column("job_id", sa.LargeBinary, primary_key=True),
        sa.Column("owner", sa.String(42), nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens", sa.Integer, nullable=False),
        sa.Column("from_channel", sa.BigInteger, nullable=False),
        sa.Column("from_prepaid", sa.BigInteger, nullable=False),
        sa.Column("deadline", sa.BigInteger, nullable=False),
    )
    op.create_index("reservations_by_deadline", "reservations", ["deadline"])
    op.create_table(
        "usage",
        sa.Column("receipt_id", sa.LargeBinary, primary_key=True),
        sa.Column("owner", sa.String(42), nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("tokens_out", sa.Integer, nullable=False),
        sa.Column("price", sa.BigInteger, nullable=False),
        sa.Column("from_channel", sa.BigInteger, nullable=False),
        sa.Column("from_prepaid", sa.BigInteger, nullable=False),
    )
    op.create_index("usage_by_owner", "usage", ["owner", "day"])
    op.create_table(
        "accounts",
        sa.Column("owner", sa.String(42), primary_key=True),
        sa.Column("prepaid", sa.BigInteger, nullable=False),
        sa.Column("prepaid_reserved", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "channel_days",
        sa.Column("owner", sa.String(42), primary_key=True),
        sa.Column("day", sa.Integer, primary_key=True),
        sa.Column("ceiling", sa.BigInteger, nullable=False),
        sa.Column("metered", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("collected", sa.BigInteger, nullable=False),
        sa.Column("delegated", sa.Boolean, nullable=False),
        sa.Column("voucher", sa.BigInteger, nullable=False),
        sa.Column("voucher_signature", sa.LargeBinary),
        sa.Column("returned", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("key_id", sa.Text, primary_key=True),
        sa.Column("hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("prefix", sa.Text, nullable=False),
        sa.Column("owner", sa.String(42), nullable=False),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("revoked", sa.BigInteger),
        sa.Column("daily_cap", sa.BigInteger),
        sa.Column("day", sa.Integer, nullable=False),
        sa.Column("spent", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("requests_used", sa.Double, nullable=False),
        sa.Column("tokens_used", sa.Double, nullable=False),
        sa.Column("rated_at", sa.Double, nullable=False),
    )
    op.create_index("keys_by_owner", "keys", ["owner"])
    op.create_table(
        "addresses",
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("requests_used", sa.Double, nullable=False),
        sa.Column("rated_at", sa.Double, nullable=False),
    )
    op.create_table(
        "used_nonces",
        sa.Column("nonce", sa.Text, primary_key=True),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "deposits",
        sa.Column("payer", sa.String(42), primary_key=True),
        sa.Column("nonce", sa.LargeBinary, primary_key=True),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("block", sa.BigInteger, nullable=False),
        sa.Column("transaction", sa.Text),
        sa.Column("credited", sa.BigInteger),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", sa.Double, nullable=False),
    )
