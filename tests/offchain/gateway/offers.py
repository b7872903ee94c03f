"""Offers and times for the tests of routing."""

from __future__ import annotations

from dataclasses import dataclass

from assay.gateway.upstream import Offer


def offer(
    name: str, price: int = 10, running: int = 0, model: str = "m", url: str | None = None
) -> Offer:
    """Of a provider whose address is its name."""
    return Offer(url or f"http://{name}", name, model, bytes(32), 512, price, price, running)


@dataclass
class Clock:
    """Seconds that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now
