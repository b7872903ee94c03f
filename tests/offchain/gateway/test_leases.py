"""Leases in both databases: one holder at a time, whatever its clock says, and none for ever."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Engine

from assay.gateway.leases import Leases
from assay.gateway.writer import Writer

AHEAD = 300.0


def test_one_holds_it(writer: Writer) -> None:
    one, other = Leases(writer), Leases(writer)
    with one.holding("a", 60) as held:
        assert held
        with other.holding("a", 60) as taken:
            assert not taken
        with other.holding("b", 60) as taken:
            assert taken
    with other.holding("a", 60) as held:
        assert held


def test_a_holder_that_was_killed_is_waited_for_no_longer_than_its_time(writer: Writer) -> None:
    one, other = Leases(writer), Leases(writer)
    with one.holding("a", 0.5) as held:
        assert held
        with other.holding("a", 60) as taken:
            assert not taken
        with other.holding("a", 60, wait_seconds=5) as taken:
            assert taken


def test_a_clock_that_is_wrong(
    engine: Engine, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who lets go is not waited for; and where clocks may differ, the database's is asked."""
    one, other, real = Leases(writer), Leases(writer), time.time
    monkeypatch.setattr(time, "time", lambda: real() + AHEAD)
    with one.holding("a", 0.5) as held:
        assert held
        if engine.dialect.name == "postgresql":
            monkeypatch.setattr(time, "time", real)
            with other.holding("a", 60, wait_seconds=5) as taken:
                assert taken
            monkeypatch.setattr(time, "time", lambda: real() + AHEAD)
    monkeypatch.setattr(time, "time", real)
    with other.holding("a", 60) as held:
        assert held
