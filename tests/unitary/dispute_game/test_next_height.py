"""DisputeGame.next_height: the fewest rounds of at most 64 nodes, near-equal."""

from __future__ import annotations

import pytest

from assay.core.merkle import next_height
from tests.support.market import Market


@pytest.mark.parametrize("depth", range(56))
def test_default_behavior(market: Market, depth: int) -> None:
    heights = []
    left = depth
    while left:
        heights.append(market.game.next_height(left))
        assert heights[-1] == next_height(left)
        left -= heights[-1]
    assert sum(heights) == depth
    assert len(heights) == -(-depth // 6)
    assert max(heights, default=0) <= 6
    assert max(heights, default=0) - min(heights, default=0) <= 1
