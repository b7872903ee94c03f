"""The treasury, deployed once, and a taker whose router gives ASSAY at a rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.evm import deployer
from tests.support.treasury import ETHER, FLOOR, Treasury, deployed_treasury, treasury
from tests.unitary.burn_taker.routers import rate_router

__all__ = ["deployed_treasury", "treasury"]

RATE = 2 * FLOOR + FLOOR // 10
"""What the router gives for a dollar: a bit more than an auction begins with."""


@dataclass(repr=False)
class Scene:
    """A taker, its router, and what they work on."""

    treasury: Treasury
    router: Any
    taker: Any


@pytest.fixture
def scene(treasury: Treasury) -> Scene:
    router = rate_router()
    router.set_rate(RATE)
    treasury.assay.transfer(router, 10**6 * ETHER, sender=treasury.deployer)
    return Scene(treasury, router, deployer("treasury/BurnTaker")(treasury.auction, router))
