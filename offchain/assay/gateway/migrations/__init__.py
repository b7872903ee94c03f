"""Alembic revisions of the gateway's tables, oldest first; `assay.core.database` applies them."""
