"""What the chain paid for jobs that nobody was charged for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    op.create_table(
        "released",
        sa.Column("job_id", sa.LargeBinary, primary_key=True),
        sa.Column("owner", sa.String(42), nullable=False),
        sa.Column("key_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("tokens_in", sa.Integer, nullable=False),
        sa.Column("discount_bps", sa.Integer),
    )
    op.create_table(
        "positions",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("block", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
    )
    op.create_table(
        "distrusted",
        sa.Column("provider", sa.String(42), primary_key=True),
        sa.Column("until", sa.BigInteger, nullable=False),
    )
    repaid = sa.Column("repaid", sa.BigInteger, nullable=False, server_default="0")
    op.add_column("channel_days", repaid)
