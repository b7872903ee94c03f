"""Requests and tokens a minute: a level that requests raise and time lowers. Pure.

Levels lie in the database beside the key that they limit, so that replicas share them at no
further turn. A level of 0 is an idle caller; at the limit it refuses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(frozen=True)
class Rates:
    """What a minute allows; None: any number."""

    requests: int | None
    tokens: int | None


@dataclass(frozen=True)
class Level:
    """Where a caller stands against one limit after a request. `reset` in seconds."""

    limit: int
    remaining: int
    reset: float

    @classmethod
    def of(cls, limit: int, used: float) -> Level:
        return cls(limit, max(math.floor(limit - used), 0), used * MINUTE / limit)


def elapsed(rated_at: float, now: float) -> tuple[float, float]:
    """Seconds since a level was written, and the time to write with the next one.

    Another replica's clock may be a little ahead. A time more than a minute ahead is of a clock
    that was wrong, and would keep a level from falling until it is reached.
    """
    if rated_at > now + MINUTE:
        rated_at = now
    return now - rated_at, max(now, rated_at)


def drained(used: float, limit: int | None, seconds: float) -> float:
    """The level after some seconds without a request."""
    return 0.0 if limit is None else max(used - max(seconds, 0.0) * limit / MINUTE, 0.0)


def wait_seconds(used: float, wanted: int, limit: int | None) -> float:
    """How long until `wanted` more fits; 0 if it fits now, infinite if it never does."""
    if limit is None or used + wanted <= limit:
        return 0.0
    if wanted > limit:
        return math.inf
    return (used + wanted - limit) * MINUTE / limit


def headers(kind: str, level: Level | None) -> dict[str, str]:
    """OpenAI's three `x-ratelimit-*` headers of one limit; none where there is no limit."""
    if level is None:
        return {}
    return {
        f"x-ratelimit-limit-{kind}": str(level.limit),
        f"x-ratelimit-remaining-{kind}": str(level.remaining),
        f"x-ratelimit-reset-{kind}": f"{level.reset:.3f}s",
    }
