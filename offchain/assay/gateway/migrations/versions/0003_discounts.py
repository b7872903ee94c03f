"""What batches are spared of their providers' prices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    for table in ("jobs", "reservations", "usage"):
        op.add_column(table, sa.Column("discount_bps", sa.Integer))
