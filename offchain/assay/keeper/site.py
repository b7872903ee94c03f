"""What jobs work with: the contracts, what is open, the providers' data, the operator's limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from assay.chain.games import Games
from assay.chain.network import Network
from assay.core.claim_source import ClaimSource
from assay.core.settings import KeeperSettings
from assay.keeper.watch import Open, Watch

POSTPONED_SECONDS = 600.0
"""What the chain or a provider refused is not tried again for so long."""
ABSENT_SECONDS = 60.0
"""A provider that does not answer is not asked again for so long."""
ONLOOKER = "0x" + "11" * 20
"""Rehearses where there is no account: a dry run."""


@dataclass
class Site:
    """`settings` are the operator's; `clock` is for postponements."""

    network: Network
    watch: Watch
    claims: ClaimSource
    settings: KeeperSettings
    clock: Callable[[], float] = time.monotonic
    _until: dict[Hashable, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.games = Games(self.network)

    @property
    def address(self) -> str:
        sender = self.network.sender
        return ONLOOKER if sender is None else sender.address

    def open(self) -> Open:
        return self.watch.open()

    def now(self) -> int:
        """The later of the chain's time and ours: an idle chain's newest block may be old."""
        return max(self.network.now(), int(time.time()))

    def due_since(self, moment: int) -> bool:
        """Whether a moment is so long over that whoever is concerned had time to act."""
        return self.now() > moment + self.settings.grace_seconds

    def postpone(self, key: Hashable, seconds: float = POSTPONED_SECONDS) -> None:
        self._until[key] = self.clock() + seconds

    def postponed(self, key: Hashable) -> bool:
        return self._until.get(key, 0.0) > self.clock()
