"""How fast providers are, as the gateway sees it: moving averages, and what is under way."""

from __future__ import annotations

from dataclasses import dataclass, field

WEIGHT = 0.2
"""Of the newest measurement."""
FORGET_SECONDS = 600.0
"""A provider that was not measured for so long counts as new: one slow hour exiles nobody."""

Key = tuple[str, str]
"""A provider's URL, and the model."""


@dataclass(frozen=True)
class Speed:
    """Seconds to the first token, and tokens a second after it; None where not measured."""

    latency: float | None = None
    throughput: float | None = None


UNMEASURED = Speed()


@dataclass
class Average:
    value: float
    at: float

    def add(self, value: float, now: float) -> None:
        self.value += WEIGHT * (value - self.value)
        self.at = now


@dataclass
class Measures:
    """Of one gateway process; replicas measure for themselves."""

    _latency: dict[Key, Average] = field(default_factory=dict)
    _throughput: dict[Key, Average] = field(default_factory=dict)
    _in_flight: dict[str, int] = field(default_factory=dict)

    def speed(self, key: Key, now: float) -> Speed:
        return Speed(_value(self._latency, key, now), _value(self._throughput, key, now))

    def in_flight(self, url: str) -> int:
        """Jobs that this gateway has there now."""
        return self._in_flight.get(url, 0)

    def sent(self, url: str) -> None:
        self._in_flight[url] = self.in_flight(url) + 1

    def ended(self, url: str) -> None:
        self._in_flight[url] = self.in_flight(url) - 1

    def first_token(self, key: Key, seconds: float, now: float) -> None:
        _add(self._latency, key, seconds, now)

    def answered(self, key: Key, tokens: int, seconds: float, now: float) -> None:
        """`seconds` from the first token to the last of `tokens`; a single token says nothing."""
        if tokens > 1 and seconds > 0:
            _add(self._throughput, key, (tokens - 1) / seconds, now)


def _value(averages: dict[Key, Average], key: Key, now: float) -> float | None:
    found = averages.get(key)
    return found.value if found is not None and now - found.at <= FORGET_SECONDS else None


def _add(averages: dict[Key, Average], key: Key, value: float, now: float) -> None:
    if _value(averages, key, now) is None:
        averages[key] = Average(value, now)
    else:
        averages[key].add(value, now)
