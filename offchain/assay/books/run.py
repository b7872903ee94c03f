"""Opens the books of a deployment and audits a day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import Engine

from assay.books.audit import Audit, audited
from assay.books.entries import Day
from assay.books.gateway import GatewayBooks
from assay.books.public import PublicBooks
from assay.chain.network import Network
from assay.core.database import foreign_database, open_database, reading
from assay.core.settings import BooksSettings
from assay.indexer.index import MIGRATIONS


def audit_books(settings: BooksSettings, day: int) -> Audit:
    """Audit a UTC day; ConfigError if the index has not come so far."""
    network = Network.connect(settings.model_copy(update={"keystore": None}))
    with _databases(settings) as (gateway, index), reading(index) as connection:
        private, public = GatewayBooks(gateway, day), PublicBooks(connection, network)
        public.check_reach(day)
        claims = public.claims(day, private.answers, private.usage, private.accounts)
        return audited(
            Day(
                day=day,
                answers=private.answers,
                usage=private.usage,
                channels=private.channels,
                claims=claims,
                known=private.known({claim.job_id for claim in claims if claim.job_id}),
                vouchers=public.vouchers(day, private.accounts),
                fees=public.fees(),
            )
        )


@contextmanager
def _databases(settings: BooksSettings) -> Iterator[tuple[Engine, Engine]]:
    gateway = foreign_database(settings.gateway_database_url.get_secret_value())
    try:
        index = open_database(settings.index_database_url.get_secret_value(), MIGRATIONS)
        try:
            yield gateway, index
        finally:
            index.dispose()
    finally:
        gateway.dispose()
