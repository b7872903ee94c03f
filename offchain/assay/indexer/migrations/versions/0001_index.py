"""The index as it began."""

from alembic import op

from assay.indexer.schema import remake

revision, down_revision = "0001", None


def upgrade() -> None:
    remake(op.get_bind())
