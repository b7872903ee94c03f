"""A circuit breaker for each provider: who fails is left alone for a while, then tried once.

closed      requests pass; `FAILURES` in a row open it
open        none pass; the pause doubles each time, up to `MAX_PAUSE_SECONDS`
half-open   the pause is over: one request passes and decides
"""

from __future__ import annotations

from dataclasses import dataclass, field

FAILURES = 3
PAUSE_SECONDS = 1.0
MAX_PAUSE_SECONDS = 120.0
PROBE_SECONDS = 60.0
"""A probe that has not ended by then is taken for lost, and another may go."""
UNSTABLE_SECONDS = 30.0
"""A provider that failed more recently is tried after the others."""


@dataclass
class Breaker:
    """Of one provider. Times are a clock's seconds."""

    failures: int = 0
    pauses: int = 0
    open_until: float = 0.0
    probing_until: float = 0.0
    failed_at: float = float("-inf")

    def passes(self, now: float) -> bool:
        """Whether a request could pass now."""
        if self.failures < FAILURES:
            return True
        return now >= self.open_until and now >= self.probing_until

    def enter(self, now: float) -> bool:
        """Let a request pass, if one may: half-open, it is the probe."""
        if not self.passes(now):
            return False
        if self.failures >= FAILURES:
            self.probing_until = now + PROBE_SECONDS
        return True

    def leave(self) -> None:
        """A request ended and showed nothing of the provider, for it was called off."""
        self.probing_until = 0.0

    def succeeded(self) -> None:
        self.failures = self.pauses = 0
        self.open_until = self.probing_until = 0.0

    def failed(self, now: float) -> None:
        self.failures += 1
        self.failed_at = now
        self.probing_until = 0.0
        if self.failures >= FAILURES and now >= self.open_until:
            pause = min(PAUSE_SECONDS * 2**self.pauses, MAX_PAUSE_SECONDS)
            self.open_until = now + pause
            self.pauses = min(self.pauses + 1, 32)

    def stable(self, now: float) -> bool:
        return now - self.failed_at > UNSTABLE_SECONDS


@dataclass
class Breakers:
    """By URL, not by address: whoever pretends to be another provider closes no door to it."""

    known: dict[str, Breaker] = field(default_factory=dict)

    def of(self, url: str) -> Breaker:
        return self.known.setdefault(url, Breaker())
