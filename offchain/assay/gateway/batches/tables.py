"""Tables of files and batches, beside the gateway's other ones. Times are Unix seconds.

files        a name and what is known of it; its rows come and go with `file_parts`
file_parts   the bytes of files, in pieces that fit memory
batches      one row each: what was asked, how it stands, and which gateway works on it
batch_lines  requests of a batch, each with its answer once there is one
batch_jobs   which signed job stands for a part of a line: written before it is sent
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Double, Index, Integer, LargeBinary, Table, Text

from assay.gateway.tables import metadata

files = Table(
    "files",
    metadata,
    Column("file_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("complete", Integer, nullable=False),
    Index("files_by_owner", "owner", "created"),
)

file_parts = Table(
    "file_parts",
    metadata,
    Column("file_id", Text, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("account", Text),
    Column("key_id", Text),
    Column("endpoint", Text, nullable=False),
    Column("input_file", Text, nullable=False),
    Column("metadata", Text),
    Column("status", Text, nullable=False),
    Column("errors", Text),
    Column("output_file", Text),
    Column("error_file", Text),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("in_progress", BigInteger),
    Column("finalizing", BigInteger),
    Column("cancelling", BigInteger),
    Column("ended", BigInteger),
    Column("holder", Text),
    Column("held_until", Double, nullable=False),
    Index("batches_by_owner", "owner", "created"),
    Index("batches_by_status", "status", "created"),
)

batch_lines = Table(
    "batch_lines",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("custom_id", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", Integer, nullable=False),
    Column("status_code", Integer),
    Column("request_id", Text),
    Column("answer", Text),
    Index("batch_lines_by_state", "batch_id", "state", "line"),
)

batch_jobs = Table(
    "batch_jobs",
    metadata,
    Column("batch_id", Text, primary_key=True),
    Column("line", Integer, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("job_id", LargeBinary, nullable=False),
)
