"""What a transaction costs under Prague's rules, from its calldata and its execution.

Knows EIP-2028 (16 gas a non-zero byte, 4 a zero one) and EIP-7623 (at least 40 and 10); nothing of
access lists, creations or refunds, which verifications have none of.
"""

from __future__ import annotations

from dataclasses import dataclass

TRANSACTION_GAS = 21_000
TOKENS_PER_NONZERO_BYTE = 4
STANDARD_GAS_PER_TOKEN = 4
FLOOR_GAS_PER_TOKEN = 10


@dataclass(frozen=True)
class Calldata:
    """A transaction's input, counted."""

    zero_bytes: int
    nonzero_bytes: int

    @classmethod
    def of(cls, data: bytes) -> Calldata:
        zeros = data.count(0)
        return cls(zeros, len(data) - zeros)

    @property
    def tokens(self) -> int:
        """EIP-7623's unit: one for a zero byte, four for any other."""
        return self.zero_bytes + TOKENS_PER_NONZERO_BYTE * self.nonzero_bytes

    @property
    def floor(self) -> int:
        """What a transaction with this input costs at least."""
        return TRANSACTION_GAS + FLOOR_GAS_PER_TOKEN * self.tokens

    def transaction_gas(self, execution_gas: int) -> int:
        """Gas charged when the code that it calls uses `execution_gas`."""
        standard = TRANSACTION_GAS + STANDARD_GAS_PER_TOKEN * self.tokens + execution_gas
        return max(standard, self.floor)
