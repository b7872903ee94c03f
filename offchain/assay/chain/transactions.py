"""What a sender sends: a transaction on its way, a mined one, the limits, and who signs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from web3.types import LogReceipt

from assay.chain.fees import GWEI, Fees
from assay.core.settings import ChainSettings

MEANING = ("to", "data", "value")
"""The fields that say what a transaction does."""


@dataclass(frozen=True)
class SendPolicy:
    """Limits of a sender: seconds, wei per gas, and the margin over the gas estimate.

    `index_seconds` is how long a node may count a nonce as used before it shows the receipt:
    state, receipts and replicas of one node do not change at the same instant. `gas_margin` is
    for what time adds between estimate and inclusion: emissions write more when a second has
    passed, and more again when a UTC day has begun. Gas that is not used costs nothing.
    """

    receipt_timeout_seconds: float = 120.0
    replace_after_seconds: float = 20.0
    poll_seconds: float = 0.1
    index_seconds: float = 15.0
    max_fee: int = 500 * GWEI
    gas_margin_percent: int = 20
    gas_margin: int = 100_000

    @classmethod
    def of(cls, settings: ChainSettings) -> SendPolicy:
        return cls(
            receipt_timeout_seconds=settings.receipt_timeout_seconds,
            replace_after_seconds=settings.replace_after_seconds,
            max_fee=int(settings.max_fee_gwei * GWEI),
        )


@dataclass
class Pending:
    """A transaction on its way: one nonce, one bid after another.

    `waited` while somebody waits for it; `bid_at` when the last bid went out, by the sender's
    clock.
    """

    call: str
    fields: dict[str, Any]
    fees: Fees
    hashes: list[str] = field(default_factory=list)
    journal: Callable[[Pending], None] | None = None
    used_since: float | None = None
    """When the node first counted the nonce as used without showing one of our receipts."""
    policy: SendPolicy = field(default_factory=SendPolicy)
    waited: bool = False
    bid_at: float = float("-inf")

    @property
    def nonce(self) -> int:
        return int(self.fields["nonce"])

    def says(self, fields: Mapping[str, Any]) -> bool:
        """Whether it does what these fields would do."""
        return all(as_text(self.fields.get(key)) == as_text(fields.get(key)) for key in MEANING)


@dataclass(frozen=True)
class Mined:
    """A transaction that was included and succeeded."""

    call: str
    hash: str
    block_number: int
    gas_used: int
    fee_wei: int
    replacements: int
    contract_address: str | None
    logs: Sequence[LogReceipt] = field(repr=False)


class Signed(Protocol):
    """A signed transaction."""

    @property
    def raw_transaction(self) -> bytes: ...

    @property
    def hash(self) -> bytes: ...


class Signer(Protocol):
    """Whoever holds the key: an eth-account, or an account of Ape's (`chain.ape_account`)."""

    @property
    def address(self) -> Any: ...

    def sign_transaction(self, fields: dict[str, Any], /) -> Signed: ...


def as_text(value: Any) -> Any:
    """Bytes as 0x-hex; anything else as it is."""
    return "0x" + bytes(value).hex() if isinstance(value, bytes) else value
