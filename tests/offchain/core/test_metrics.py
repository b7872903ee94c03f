"""The text that Prometheus reads, and the alerts that are kept with it."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from assay.chain import sender, table  # noqa: F401  # they make metrics
from assay.challenger import auditor  # noqa: F401
from assay.core import metrics
from assay.indexer import follower  # noqa: F401
from assay.keeper import runner  # noqa: F401

# https://prometheus.io/docs/instrumenting/exposition_formats/
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"'
SAMPLE = re.compile(rf"({NAME})(?:\{{{LABEL}(?:,{LABEL})*\}})? (NaN|[+-]Inf|-?[0-9.e+-]+)")
HEAD = re.compile(rf"# (HELP|TYPE) ({NAME}) (.+)")


@pytest.fixture
def counted() -> metrics.Counter:
    return metrics.Counter("counter", "test_things_total", "Things.", ("kind",))


@pytest.fixture
def gauged() -> metrics.Gauge:
    return metrics.Gauge("gauge", "test_level", "A level.", ())


def test_a_counter_counts_by_label(counted: metrics.Counter) -> None:
    with ThreadPoolExecutor(8) as pool:
        for _ in range(400):
            pool.submit(counted.add, kind="a")
    counted.add(2.5, kind="b")
    assert (counted.value(kind="a"), counted.value(kind="b"), counted.value(kind="c")) == (
        400, 2.5, 0,
    )  # fmt: skip
    assert counted.lines() == [
        "# HELP test_things_total Things.",
        "# TYPE test_things_total counter",
        'test_things_total{kind="a"} 400',
        'test_things_total{kind="b"} 2.5',
    ]
    with pytest.raises(AssertionError, match="goes up only"):
        counted.add(-1, kind="a")
    with pytest.raises(AssertionError, match="has the labels"):
        counted.add(other="a")


def test_a_histogram_takes_several_at_once() -> None:
    seconds = metrics.Histogram("test_seconds", "Time.", ("kind",), (0.5, 1.0))
    seconds.observe(0.0, "a", times=3)
    seconds.observe(0.75, "a", times=2)
    assert seconds.lines()[2:] == [
        'test_seconds_bucket{kind="a",le="0.5"} 3',
        'test_seconds_bucket{kind="a",le="1"} 5',
        'test_seconds_bucket{kind="a",le="+Inf"} 5',
        'test_seconds_sum{kind="a"} 1.5',
        'test_seconds_count{kind="a"} 5',
    ]


def test_labels_are_escaped(counted: metrics.Counter) -> None:
    counted.add(kind='a "b"\\\n')
    line = counted.lines()[-1]
    assert line == 'test_things_total{kind="a \\"b\\"\\\\\\n"} 1'
    assert SAMPLE.fullmatch(line)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(3.0, "3"), (0.25, "0.25"), (float("inf"), "+Inf"), (float("nan"), "NaN"), (-2, "-2")],
)
def test_numbers(gauged: metrics.Gauge, value: float, shown: str) -> None:
    gauged.set(value)
    assert gauged.lines()[-1] == f"test_level {shown}"


def test_a_gauge_may_be_asked(gauged: metrics.Gauge) -> None:
    values = iter([1.0, 2.0])
    gauged.set(lambda: next(values))
    assert [gauged.value(), gauged.value()] == [1, 2]


def test_series_that_end_are_gone() -> None:
    games = metrics.Gauge("gauge", "test_games", "Games.", ("side", "phase"))
    games.replace({("provider", "answer"): 2})
    games.replace({("provider", "reveal_tile"): 1})
    assert games.lines()[2:] == ['test_games{side="provider",phase="reveal_tile"} 1']


def test_everything_that_a_process_has_is_well_formed() -> None:
    text = metrics.exposition()
    assert text.endswith("\n")
    lines = text.splitlines()
    assert all(SAMPLE.fullmatch(line) or HEAD.fullmatch(line) for line in lines)
    names = [match[2] for line in lines if (match := HEAD.fullmatch(line)) and match[1] == "TYPE"]
    assert len(names) == len(set(names)) >= 10
    samples = {match[1] for line in lines if (match := SAMPLE.fullmatch(line))}
    assert samples <= set(names)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/metrics", 200), ("GET", "/", 404), ("POST", "/metrics", 404)],
)
def test_the_application(method: str, path: str, status: int) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("no body is read")

    scope = {"type": "http", "method": method, "path": path}
    asyncio.run(metrics.metrics_app(scope, receive, send))
    assert sent[0]["status"] == status
    assert (sent[1]["body"].decode().startswith("# HELP")) == (status == 200)


def test_alerts_are_about_what_there_is(project_root: Path) -> None:
    """Every series that an alert looks at is one of ours, with labels that it has."""
    (group,) = yaml.safe_load((project_root / "deployments/alerts.yml").read_text())["groups"]
    types = dict(re.findall(rf"# TYPE ({NAME}) (\w+)", metrics.exposition()))
    for rule in group["rules"]:
        assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
        assert set(rule["annotations"]) == {"summary", "remedy"}
        named = re.findall(r"assay_\w+", rule["expr"])
        assert named or rule["expr"].startswith("up"), rule["alert"]
        for name in named:
            assert name in types, name
            assert (types[name] == "counter") == (f"increase({name}" in rule["expr"]), name
