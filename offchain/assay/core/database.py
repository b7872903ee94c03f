"""Databases by URL: SQLite embedded by default, PostgreSQL where several processes share one.

    sqlite:///relative/path.db, sqlite:////absolute/path.db
    postgresql://user:password@host:5432/name          (needs the package's extra `postgres`)

Whoever keeps tables keeps Alembic revisions beside its code, one Python file each in a folder
`versions`; `open_database` brings the schema up to date. Several packages may share one database:
each counts its revisions in a table of its own. Replicas that start at once take turns.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay.core.errors import ConfigError, DatabaseUnavailable, EnvironmentMissing

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

DRIVERS = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
BUSY_SECONDS = 10
"""How long one process waits for another's write, or for a free connection."""
POOL_SIZE = 16
MIGRATION_LOCK = 0x4153534159
"""Key of PostgreSQL's advisory lock while a schema moves."""


def sqlite_url(path: Path) -> str:
    """The URL of a file."""
    return f"sqlite:///{path}"


def open_database(url: str, revisions: Path) -> Engine:
    """Connect, and bring the schema up to date.

    Args:
        revisions: folder of Alembic revisions, named after the package that owns the tables:
            `…/gateway/migrations`.

    Raises `ConfigError` for a URL that is none, `DatabaseUnavailable` if nothing answers,
    `EnvironmentMissing` if the schema is newer than this program.
    """
    engine = _engine(url)
    try:
        with translated(), _alone(engine) as connection:
            _upgrade(connection, revisions)
    except BaseException:
        engine.dispose()
        raise
    return engine


def foreign_database(url: str) -> Engine:
    """Connect to tables that another program keeps, to read them; their schema is left alone.

    Raises `ConfigError` for a URL that is none, or a file that is not there.
    """
    engine = _engine(url)
    name = engine.url.database
    if engine.dialect.name == "sqlite" and not (name and Path(name).is_file()):
        raise ConfigError(f"there is no database at {url}; check the URL")
    return engine


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that sees one state of the database and changes nothing."""
    with translated(), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction: committed at the end, undone if the block raises.

    On SQLite it takes the write lock at once, so that what it read cannot change under it; on
    PostgreSQL rows that are read to be changed need `with_for_update()`.
    """
    with translated(), engine.connect() as connection:
        connection.execution_options(writes=True)
        with connection.begin():
            yield connection


def database_time(connection: Connection) -> float:
    """Unix seconds by one clock for all who share the database, however wrong their own are.

    That is PostgreSQL's; a SQLite file's users are on one machine.
    """
    if connection.dialect.name != "postgresql":
        return time.time()
    from sqlalchemy import text

    return float(
        connection.execute(text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
    )


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's complaints about the connection into `DatabaseUnavailable`."""
    from sqlalchemy import exc

    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        cause = getattr(error, "orig", None) or error
        raise DatabaseUnavailable(
            f"the database does not answer: {str(cause).strip()}; the request can be repeated"
        ) from error
    except exc.DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseUnavailable(
                "the database closed the connection; the request can be repeated"
            ) from error
        if "not a database" in str(error.orig):
            raise ConfigError(
                "the file of the database URL is none of SQLite's; name another file"
            ) from error
        raise


def _engine(url: str) -> Engine:
    from sqlalchemy import create_engine, make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
        driver = DRIVERS[parsed.get_backend_name()]
    except (ArgumentError, KeyError) as error:
        raise ConfigError(
            f"{url.split('@')[-1]!r} is no database URL; give sqlite:///PATH or "
            "postgresql://USER@HOST/NAME"
        ) from error
    parsed = parsed.set(drivername=driver)
    if driver == "sqlite":
        return _sqlite_engine(parsed)
    try:
        return create_engine(
            parsed, pool_size=POOL_SIZE, pool_pre_ping=True, pool_timeout=BUSY_SECONDS
        )
    except ModuleNotFoundError as error:
        raise EnvironmentMissing(
            "PostgreSQL's driver is not installed: pip install 'assay[postgres]'"
        ) from error


def _sqlite_engine(url: Any) -> Engine:
    """WAL, so that readers do not wait for the writer; every commit is on disk.

    A weaker `synchronous` outlives a killed process, but a power cut would take the last commits: a
    gateway's jobs and reservations, which providers claim all the same and nobody could be charged
    for, and receipts that were shown.
    """
    from sqlalchemy import create_engine, event

    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS}, pool_size=POOL_SIZE)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes", False)
        _begin(connection, "BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _begin(connection: Connection, text: str) -> None:
    """By the driver: SQLAlchemy's own execution takes ten times as long."""
    from sqlalchemy.exc import DBAPIError

    try:
        connection.connection.cursor().execute(text)
    except sqlite3.Error as error:
        raise DBAPIError.instance(
            text, None, error, sqlite3.Error, dialect=connection.dialect
        ) from error


@contextlib.contextmanager
def _alone(engine: Engine) -> Iterator[Connection]:
    """A transaction in which no other process moves a schema."""
    from sqlalchemy import text

    with engine.connect() as connection:
        connection.execution_options(writes=True)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(
                    text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK}
                )
            yield connection


def _upgrade(connection: Connection, revisions: Path) -> None:
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(revisions))
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    steps: Callable[..., Any] = lambda current, _: script._upgrade_revs("head", current)  # noqa: E731
    with EnvironmentContext(config, script, fn=steps) as environment:
        environment.configure(
            connection=connection,
            version_table=f"{revisions.parent.name}_schema",
            transactional_ddl=True,
            transaction_per_migration=False,
        )
        try:
            environment.run_migrations()
        except CommandError as error:
            raise EnvironmentMissing(
                f"the database's tables are of another version than this program ({error}); "
                "run the newer program, or use another database"
            ) from error
