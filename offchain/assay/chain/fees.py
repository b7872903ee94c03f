"""EIP-1559 fees: what to bid first, and what to bid when a transaction is stuck."""

from __future__ import annotations

from dataclasses import dataclass

from web3 import Web3
from web3.exceptions import Web3RPCError

from assay.core.errors import ChainError

GWEI = 10**9
DEFAULT_TIP = 1 * GWEI
BUMP_NUMERATOR, BUMP_DENOMINATOR = 1125, 1000  # nodes want at least 10 % more on both fees


@dataclass(frozen=True)
class Fees:
    """Bid of one transaction, wei per gas."""

    max_fee: int
    tip: int

    def bumped(self, suggested: Fees, limit: int) -> Fees | None:
        """A bid that replaces this one: at least 12.5 % more, and the market's within `limit`.

        None when 12.5 % more would pass `limit`.
        """
        raised = Fees(_bump(self.max_fee), _bump(self.tip))
        if raised.max_fee > limit:
            return None
        max_fee = min(max(raised.max_fee, suggested.max_fee), limit)
        return Fees(max_fee, min(max(raised.tip, suggested.tip), max_fee))


def suggest(web3: Web3, limit: int) -> Fees:
    """Twice the base fee (it at most doubles in six full blocks) plus the node's tip.

    Raises ChainError if the base fee alone passes `limit`.
    """
    base = int(web3.eth.get_block("latest").get("baseFeePerGas", 0))
    if base > limit:
        raise ChainError(
            f"the base fee is {base / GWEI:.1f} gwei, above the limit of {limit / GWEI:.1f}; "
            "wait, or raise ASSAY_MAX_FEE_GWEI"
        )
    try:
        tip = int(web3.eth.max_priority_fee)
    except Web3RPCError:
        tip = DEFAULT_TIP  # the node does not serve eth_maxPriorityFeePerGas
    max_fee = min(2 * base + tip, limit)
    return Fees(max_fee, min(tip, max_fee))


def _bump(fee: int) -> int:
    return -(-fee * BUMP_NUMERATOR // BUMP_DENOMINATOR) + 1
