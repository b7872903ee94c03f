"""Counters and gauges of a process, and their text form for Prometheus. No I/O.

A metric is made once, by the module that changes it, and counts from the start of the process.
The format is Prometheus' text exposition, version 0.0.4; a name ends in its unit, a counter's in
`_total`. No label ever carries an id or a text of a user: the number of series is bounded.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Mapping
from itertools import accumulate
from typing import Any, TypeVar

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Value = float | Callable[[], float]
"""A number, or what gives it when somebody asks."""


class Metric:
    """Values by their labels. Safe to share between threads."""

    def __init__(self, kind: str, name: str, text: str, labels: tuple[str, ...]) -> None:
        self.name = name
        self._kind, self._text, self._labels = kind, text, labels
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], Value] = {} if labels else {(): 0.0}

    def value(self, **labels: str) -> float:
        """The present value; 0 for labels that were never seen."""
        with self._lock:
            found = self._values.get(self._key(labels), 0.0)
        return found() if callable(found) else found

    def lines(self) -> list[str]:
        """The metric in the text format."""
        with self._lock:
            values = dict(self._values)
        lines = [f"# HELP {self.name} {self._text}", f"# TYPE {self.name} {self._kind}"]
        for key, value in sorted(values.items()):
            pairs = ",".join(f'{k}="{_escaped(v)}"' for k, v in zip(self._labels, key, strict=True))
            number = value() if callable(value) else value
            lines.append(
                f"{self.name}{{{pairs}}} {_number(number)}"
                if pairs
                else f"{self.name} {_number(number)}"
            )
        return lines

    def _key(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        assert set(labels) == set(self._labels), f"{self.name} has the labels {self._labels}"
        return tuple(labels[name] for name in self._labels)


class Counter(Metric):
    """Goes up only."""

    def add(self, amount: float = 1, **labels: str) -> None:
        assert amount >= 0, "a counter goes up only"
        key = self._key(labels)
        with self._lock:
            before = self._values.get(key, 0.0)
            assert not callable(before), "counters hold numbers"
            self._values[key] = before + amount


class Gauge(Metric):
    """Goes up and down."""

    def set(self, value: Value, **labels: str) -> None:
        key = self._key(labels)
        with self._lock:
            self._values[key] = value

    def add(self, amount: float, **labels: str) -> None:
        key = self._key(labels)
        with self._lock:
            before = self._values.get(key, 0.0)
            assert not callable(before), "a gauge that is asked for is not added to"
            self._values[key] = before + amount

    def replace(self, values: Mapping[tuple[str, ...], Value]) -> None:
        """All values at once, by labels in their order; those that are absent end."""
        with self._lock:
            self._values = dict(values)


class Histogram:
    """How many observations were at most so large, by labels. Safe to share between threads."""

    def __init__(
        self, name: str, text: str, labels: tuple[str, ...], bounds: tuple[float, ...]
    ) -> None:
        self.name = name
        self._text, self._labels, self._bounds = text, labels, bounds
        self._lock = threading.Lock()
        self._series: dict[tuple[str, ...], tuple[list[int], list[float]]] = {}

    def observe(self, value: float, *labels: str, times: int = 1) -> None:
        """`labels`: their values, in their order. `times`: observations of this value."""
        place = bisect_left(self._bounds, value)
        with self._lock:
            counts, total = self._series.setdefault(labels, ([0] * (len(self._bounds) + 1), [0.0]))
            counts[place] += times
            total[0] += value * times

    def lines(self) -> list[str]:
        """The metric in the text format: buckets hold all that is at most their bound."""
        with self._lock:
            series = {key: (list(c), t[0]) for key, (c, t) in sorted(self._series.items())}
        lines = [f"# HELP {self.name} {self._text}", f"# TYPE {self.name} histogram"]
        for key, (counts, total) in series.items():
            pairs = "".join(f'{k}="{_escaped(v)}",' for k, v in zip(self._labels, key, strict=True))
            bounds = (*map(_number, self._bounds), "+Inf")
            for bound, count in zip(bounds, accumulate(counts), strict=True):
                lines.append(f'{self.name}_bucket{{{pairs}le="{bound}"}} {count}')
            given = f"{{{pairs[:-1]}}}" if pairs else ""
            lines.append(f"{self.name}_sum{given} {_number(total)}")
            lines.append(f"{self.name}_count{given} {sum(counts)}")
        return lines


_METRICS: dict[str, Metric | Histogram] = {}


def counter(name: str, text: str, *labels: str) -> Counter:
    """A new counter of this process."""
    return _registered(Counter("counter", name, text, labels))


def gauge(name: str, text: str, *labels: str) -> Gauge:
    """A new gauge of this process."""
    return _registered(Gauge("gauge", name, text, labels))


def histogram(name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
    """A new histogram of this process; `bounds` rise."""
    return _registered(Histogram(name, text, labels, bounds))


M = TypeVar("M", Counter, Gauge, Histogram)


def _registered(metric: M) -> M:
    assert metric.name not in _METRICS, f"{metric.name} exists"
    _METRICS[metric.name] = metric
    return metric


def exposition() -> str:
    """All metrics in the text format."""
    return "".join(f"{line}\n" for metric in _METRICS.values() for line in metric.lines())


Message = Mapping[str, Any]


async def metrics_app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """An ASGI application for a service without an HTTP interface: GET /metrics, else 404."""
    if scope["type"] != "http":
        return
    found = scope["method"] == "GET" and scope["path"] == "/metrics"
    body = exposition() if found else "not found: GET /metrics\n"
    headers = [(b"content-type", CONTENT_TYPE.encode())]
    status = 200 if found else 404
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value == int(value) else repr(value)
