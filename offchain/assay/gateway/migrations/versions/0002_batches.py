"""Files, batches, and stored responses."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    _files()
    _batches()
    _responses()


def _files() -> None:
    op.create_table(
        "files",
        sa.Column("file_id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger),
        sa.Column("complete", sa.Integer, nullable=False),
    )
    op.create_index("files_by_owner", "files", ["owner", "created"])
    op.create_table(
        "file_parts",
        sa.Column("file_id", sa.Text, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )


def _batches() -> None:
    op.create_table(
        "batches",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("account", sa.Text),
        sa.Column("key_id", sa.Text),
        sa.Column("endpoint", sa.Text, nullable=False),
        sa.Column("input_file", sa.Text, nullable=False),
        sa.Column("metadata", sa.Text),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("errors", sa.Text),
        sa.Column("output_file", sa.Text),
        sa.Column("error_file", sa.Text),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("in_progress", sa.BigInteger),
        sa.Column("finalizing", sa.BigInteger),
        sa.Column("cancelling", sa.BigInteger),
        sa.Column("ended", sa.BigInteger),
        sa.Column("holder", sa.Text),
        sa.Column("held_until", sa.Double, nullable=False),
    )
    op.create_index("batches_by_owner", "batches", ["owner", "created"])
    op.create_index("batches_by_status", "batches", ["status", "created"])
    op.create_table(
        "batch_lines",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True),
        sa.Column("custom_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.Integer, nullable=False),
        sa.Column("status_code", sa.Integer),
        sa.Column("request_id", sa.Text),
        sa.Column("answer", sa.Text),
    )
    op.create_index("batch_lines_by_state", "batch_lines", ["batch_id", "state", "line"])
    op.create_table(
        "batch_jobs",
        sa.Column("batch_id", sa.Text, primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True),
        sa.Column("part", sa.Integer, primary_key=True),
        sa.Column("job_id", sa.LargeBinary, nullable=False),
    )


def _responses() -> None:
    op.create_table(
        "responses",
        sa.Column("response_id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("previous", sa.Text),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("input", sa.Text, nullable=False),
        sa.Column("response", sa.Text, nullable=False),
    )
    op.create_index("responses_by_expiry", "responses", ["expires"])
