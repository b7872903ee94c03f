"""What was spent on canaries, on disk: a restart forgets none and spends no budget twice."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from assay.core import logs

DAY_SECONDS = 86_400.0


@dataclass(frozen=True)
class Canary:
    """One answer that was bought.

    receipt_id  the gateway's, 0x-hex; another text where the purchase failed
    bought      Unix time
    price       micro-USD; the most that it may cost, until the answer is known
    answered    whether it is
    ended       nothing more is to be done about it
    """

    receipt_id: str
    bought: float
    price: int = 0
    answered: bool = False
    ended: bool = False


class Purse:
    """Canaries of the last day, and older ones that have not ended.

    Args:
        path: a JSON file, written whole.
        budget: micro-USD in any 24 hours.
    """

    def __init__(self, path: Path, budget: int) -> None:
        self._path = path
        self._budget = budget
        self._canaries = {canary.receipt_id: canary for canary in _read(path)}

    def waiting(self) -> list[Canary]:
        """Those that have not ended, oldest first."""
        return [canary for canary in self._canaries.values() if not canary.ended]

    def affords(self, now: float) -> bool:
        """Whether another canary, as dear as the dearest of the day, is within the budget."""
        prices = self._prices(now)
        return sum(prices) + max(prices, default=1) <= self._budget

    def lose(self, now: float) -> None:
        """A purchase failed, and may be charged all the same: it counts as much as the dearest."""
        self.put(Canary(f"lost {now}", now, max(self._prices(now), default=1), ended=True), now)

    def put(self, canary: Canary, now: float) -> None:
        """Note a canary, or what has become of it; on return it is on disk."""
        self._canaries[canary.receipt_id] = canary
        old = now - DAY_SECONDS
        self._canaries = {
            name: kept
            for name, kept in self._canaries.items()
            if not kept.ended or kept.bought > old
        }
        _write(self._path, [asdict(kept) for kept in self._canaries.values()])

    def _prices(self, now: float) -> list[int]:
        """Of the last 24 hours."""
        return [c.price for c in self._canaries.values() if c.bought > now - DAY_SECONDS]


def _read(path: Path) -> list[Canary]:
    if not path.is_file():
        return []
    try:
        return [Canary(**item) for item in json.loads(path.read_text())]
    except (ValueError, TypeError) as error:
        logs.warning("canaries_damaged", path=str(path), error=str(error))
        return []


def _write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
