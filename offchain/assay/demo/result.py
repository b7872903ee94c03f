"""What a demonstration did, as data: the document of `assay demo --json`."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Transaction:
    """A transaction as its receipt has it."""

    hash: str
    block: int
    gas: int
    sender: str
    calldata_bytes: int


@dataclass(frozen=True)
class Served:
    """An answer through the gateway."""

    text: str
    receipt_id: str
    provider: str
    prompt_tokens: int
    output_tokens: int
    price_micro_usd: int
    seconds: float


@dataclass(frozen=True)
class Settled:
    """A claim that was finalised. Micro-USD: `paid` by the consumer, `fee` the protocol's part."""

    batch_id: str
    index: int
    batch: Transaction
    finalisation: Transaction
    paid_micro_usd: int
    fee_micro_usd: int


@dataclass(frozen=True)
class Move:
    """One move of a game: whose, what, and what it cost."""

    name: str
    by: str
    detail: str
    transaction: Transaction


@dataclass(frozen=True)
class Recomputation:
    """The element that the contract recomputed.

    `what` it was: the element itself, or what so many partials give. `claimed` is the provider's
    value, `recomputed` this machine's; the other two are the contract's verdicts on them, given
    the inputs that the provider opened.
    """

    opcode: str
    step: int
    step_name: str
    row: int
    column: int
    what: str
    claimed: int
    recomputed: int
    claimed_holds: bool
    recomputed_holds: bool


@dataclass(frozen=True)
class Game:
    """A finished game."""

    game_id: str
    token_index: int
    outcome: str
    reason: str
    moves: list[Move]
    gas: int
    element: Recomputation | None


@dataclass(frozen=True)
class Slash:
    """What a conviction cost the provider, in units of the bond token."""

    slashed: int
    reward: int
    burned: int


@dataclass(frozen=True)
class Balance:
    """One figure of one party; `unit` says in what it is counted."""

    party: str
    what: str
    unit: str
    decimals: int
    before: int
    after: int


@dataclass
class Demonstration:
    """The whole story."""

    prompt: str
    model: str
    urls: dict[str, str] = field(default_factory=dict)
    contracts: dict[str, str] = field(default_factory=dict)
    honest: Served | None = None
    settled: Settled | None = None
    lie: Served | None = None
    lie_batch: Transaction | None = None
    game: Game | None = None
    slash: Slash | None = None
    balances: list[Balance] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    convicted: bool = False
