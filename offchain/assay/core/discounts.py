"""Work that can wait: what it costs, and where there is room for it.

A batch's lines may wait. They run where a provider has room, behind whoever waits for an answer,
at the part of its price that the provider says (`batch_discount_bps`).
"""

from __future__ import annotations

BPS = 10_000
KEPT_FREE = 4
"""Of what runs at once, one part in so many is not for work that can wait."""


def discounted(price: int, discount_bps: int) -> int:
    """Micro-USD per million tokens, rounded up: both sides must find the same.

    Args:
        discount_bps: 0 to 10,000.
    """
    return -(-price * (BPS - discount_bps) // BPS)


def has_room(running: int, slots: int) -> bool:
    """Whether a job that can wait may go where so many jobs run, or wait, of so many at once."""
    return running < slots - slots // KEPT_FREE
