"""How a game's moves are sent: the nearer the deadline, the sooner and the higher the next bid.

While there is time, a move bids like any transaction and waits for a cheaper block. In the second
half of its clock it may cost what the game is worth, and bids again at least ten times.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from assay.chain.transactions import SendPolicy

GAME_GAS = 2_000_000
"""More than both sides of a game use together (scripts/bench/dispute)."""
BIDS = 10
LEAST_SECONDS = 1.0


@dataclass(frozen=True)
class Urgency:
    """What a game is worth to a side.

    stake             what it loses, or does not get, if it misses a deadline, in units of ASSAY
    token_wei         what one ASSAY (10**18 units) is worth in wei; None if nobody says: then
                      moves keep within the ordinary limit
    clock_seconds     a side's whole time
    """

    stake: int
    token_wei: int | None
    clock_seconds: int

    def worth(self) -> int | None:
        """Most wei per gas that playing on pays for; None if it is not known."""
        if self.token_wei is None:
            return None
        return self.stake * self.token_wei // 10**18 // GAME_GAS

    def policy(self, ordinary: SendPolicy, seconds_left: float) -> SendPolicy:
        """The limits for a move with so much time left."""
        worth = self.worth()
        near = seconds_left <= self.clock_seconds / 2
        wait = max(seconds_left / BIDS, LEAST_SECONDS)
        return replace(
            ordinary,
            max_fee=worth if near and worth is not None else ordinary.max_fee,
            replace_after_seconds=min(ordinary.replace_after_seconds, wait),
            receipt_timeout_seconds=min(ordinary.receipt_timeout_seconds, 2 * wait),
        )
