"""Databases by URL: schemas brought up to date once, transactions, databases that are gone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from assay.core import database
from assay.core.database import foreign_database, open_database, reading, sqlite_url, writing
from assay.core.errors import ConfigError, DatabaseUnavailable, EnvironmentMissing
from tests.support import postgres

FIRST = """
revision, down_revision = "0001", None

def upgrade():
    from alembic import op
    import sqlalchemy as sa
    key = sa.Column("id", sa.Integer, primary_key=True)
    op.create_table("counts", key, sa.Column("n", sa.Integer))
    op.execute("INSERT INTO counts (id, n) VALUES (1, 0)")
"""
SECOND = """
revision, down_revision = "0002", "0001"

def upgrade():
    from alembic import op
    import sqlalchemy as sa
    op.add_column("counts", sa.Column("label", sa.String))
"""
BROKEN = """
revision, down_revision = "0002", "0001"

def upgrade():
    from alembic import op
    op.execute("INSERT INTO counts (id, n) VALUES (2, 0)")
    op.execute("INSERT INTO nowhere (id) VALUES (2)")
"""


@pytest.fixture
def revisions(tmp_path: Path) -> Path:
    """A package with one revision."""
    folder = tmp_path / "shop" / "migrations"
    (folder / "versions").mkdir(parents=True)
    (folder / "versions" / "0001.py").write_text(FIRST)
    return folder


def all_at_once(work: Callable[[], None], count: int) -> list[BaseException]:
    failures: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


def test_schemas_move_forward_and_keep_their_rows(database_url: str, revisions: Path) -> None:
    open_database(database_url, revisions).dispose()
    (revisions / "versions" / "0002.py").write_text(SECOND)
    engine = open_database(database_url, revisions)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT id, n, label FROM counts")).all() == [(1, 0, None)]
    assert "shop_schema" in inspect(engine).get_table_names()
    engine.dispose()


def test_processes_that_start_together_move_a_schema_once(
    database_url: str, revisions: Path
) -> None:
    assert all_at_once(lambda: open_database(database_url, revisions).dispose(), 8) == []
    engine = open_database(database_url, revisions)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM counts")).scalar_one() == 1
    engine.dispose()


def test_a_revision_that_fails_changes_nothing(database_url: str, revisions: Path) -> None:
    open_database(database_url, revisions).dispose()
    (revisions / "versions" / "0002.py").write_text(BROKEN)
    with pytest.raises(Exception, match="nowhere"):
        open_database(database_url, revisions)
    (revisions / "versions" / "0002.py").write_text(SECOND)
    engine = open_database(database_url, revisions)
    with reading(engine) as connection:
        assert connection.execute(text("SELECT id FROM counts")).all() == [(1,)]
    engine.dispose()


def test_revert_a_schema_newer_than_the_program(database_url: str, revisions: Path) -> None:
    later = revisions / "versions" / "0002.py"
    later.write_text(SECOND)
    open_database(database_url, revisions).dispose()
    later.unlink()
    with pytest.raises(EnvironmentMissing, match="another version than this program"):
        open_database(database_url, revisions)


def test_packages_share_a_database(database_url: str, revisions: Path, tmp_path: Path) -> None:
    other = tmp_path / "ledger" / "migrations"
    (other / "versions").mkdir(parents=True)
    (other / "versions" / "0001.py").write_text(FIRST.replace("counts", "sums"))
    open_database(database_url, revisions).dispose()
    engine = open_database(database_url, other)
    assert {"counts", "sums"} <= set(inspect(engine).get_table_names())
    engine.dispose()


def test_writers_take_turns_and_lose_nothing(database_url: str, revisions: Path) -> None:
    engine = open_database(database_url, revisions)

    def add() -> None:
        for _ in range(20):
            with writing(engine) as connection:
                lock = " FOR UPDATE" if engine.dialect.name == "postgresql" else ""
                n = connection.execute(text(f"SELECT n FROM counts{lock}")).scalar_one()
                connection.execute(text("UPDATE counts SET n = :n"), {"n": n + 1})

    assert all_at_once(add, 8) == []
    with reading(engine) as connection:
        assert connection.execute(text("SELECT n FROM counts")).scalar_one() == 160
    engine.dispose()


def test_a_transaction_that_raises_is_undone(database_url: str, revisions: Path) -> None:
    engine = open_database(database_url, revisions)
    with pytest.raises(ZeroDivisionError), writing(engine) as connection:
        connection.execute(text("UPDATE counts SET n = 7"))
        raise ZeroDivisionError
    with reading(engine) as connection:
        assert connection.execute(text("SELECT n FROM counts")).scalar_one() == 0
    engine.dispose()


def test_revert_another_one_writes_for_too_long(
    revisions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    engine = open_database(sqlite_url(tmp_path / "busy.db"), revisions)
    with writing(engine) as connection:
        with pytest.raises(DatabaseUnavailable, match="locked"), writing(engine):
            pass
        connection.execute(text("UPDATE counts SET n = 5"))
    with writing(engine) as connection:
        assert connection.execute(text("SELECT n FROM counts")).scalar_one() == 5
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "nonsense", "sqlite//x"])
def test_revert_no_database_url(url: str, revisions: Path) -> None:
    with pytest.raises(ConfigError, match="is no database URL") as caught:
        open_database(url, revisions)
    assert "secret" not in str(caught.value)


def test_revert_nothing_answers(revisions: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        open_database("postgresql://nobody@127.0.0.1:9/none?connect_timeout=2", revisions)


def test_revert_a_file_that_is_no_database(revisions: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.db").write_text("not a database, but long enough to look at" * 100)
    with pytest.raises(ConfigError, match="none of SQLite's"):
        open_database(sqlite_url(tmp_path / "notes.db"), revisions)


def test_a_database_that_restarts_is_found_again(revisions: Path) -> None:
    """Its connections are gone; the pool notices before the next transaction."""
    with postgres.running() as server, server.database() as url:
        engine = open_database(url, revisions)
        with reading(engine) as connection:
            connection.execute(text("SELECT 1"))
        server.restart()
        with writing(engine) as connection:
            connection.execute(text("UPDATE counts SET n = 3"))
        with reading(engine) as connection:
            assert connection.execute(text("SELECT n FROM counts")).scalar_one() == 3
        engine.dispose()


def test_a_reader_sees_one_state(database_url: str, revisions: Path) -> None:
    """What others commit meanwhile is seen by the next reader."""
    engine = open_database(database_url, revisions)
    count = text("SELECT n FROM counts")
    with reading(engine) as reader:
        assert reader.execute(count).scalar() == 0
        with writing(engine) as writer:
            writer.execute(text("UPDATE counts SET n = 7"))
        assert reader.execute(count).scalar() == 0
    with reading(engine) as reader:
        assert reader.execute(count).scalar() == 7
    engine.dispose()


def test_a_database_of_others_is_neither_made_nor_changed(
    database_url: str, revisions: Path, tmp_path: Path
) -> None:
    open_database(database_url, revisions).dispose()
    engine = foreign_database(database_url)
    before = set(inspect(engine).get_table_names())
    with reading(engine) as reader:
        assert reader.execute(text("SELECT n FROM counts")).scalar() == 0
    engine.dispose()
    assert before == {"counts", "shop_schema"}
    missing = tmp_path / "none.db"
    with pytest.raises(ConfigError, match="there is no database at"):
        foreign_database(sqlite_url(missing))
    assert not missing.exists()
