"""Alembic revisions of the index, oldest first; `assay.core.database` applies them."""
