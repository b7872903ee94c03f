"""What a provider asks, by model; changed while it serves.

The settings give the first prices. `prices.json` in the provider's folder, which `assay provider
price` writes, has what was changed since; a loop reads it again whenever it changes. A gateway
signs jobs at the price that it saw last, so a price that was announced is honoured for
`offer_seconds` after it ends.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assay.core import logs
from assay.core.discounts import BPS, discounted
from assay.core.errors import ConfigError


@dataclass(frozen=True)
class Price:
    """Micro-USD per million tokens; `batch_discount_bps` of it are spared those who can wait."""

    input: int
    output: int
    batch_discount_bps: int = 0

    def for_batch(self) -> Price:
        """What is asked of work that can wait."""
        bps = self.batch_discount_bps
        return Price(discounted(self.input, bps), discounted(self.output, bps), bps)

    def covers(self, offered: Price) -> bool:
        """Whether somebody who offers so much may buy."""
        return offered.input >= self.input and offered.output >= self.output


@dataclass(frozen=True)
class Standing:
    """A price that is asked no more, and until when it is honoured (Unix time)."""

    price: Price
    until: float


class PriceList:
    """Prices by model name. Safe to share between threads.

    Args:
        path: the file of changes.
        first: what the settings ask.
        offer_seconds: how long an announced price holds.
    """

    def __init__(
        self,
        path: Path,
        first: Mapping[str, Price],
        offer_seconds: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._first = dict(first)
        self._seconds = offer_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._asked = dict(first)
        self._ended: dict[str, list[Standing]] = {}
        self.refresh()
        self._ended.clear()  # nobody was told anything yet

    def refresh(self) -> None:
        """A loop's turn: take in changes of the file; one that cannot be read changes nothing."""
        stamp = _stamp(self._path)
        if stamp == self._stamp:
            return
        try:
            changed = read_prices(self._path)
        except ConfigError as error:
            logs.warning("prices_unreadable", error=error.message)
        else:
            for name in self._first:
                self._ask(name, changed.get(name, self._first[name]))
        self._stamp = stamp

    def now(self, name: str) -> Price:
        """What is asked for a model at present."""
        with self._lock:
            return self._asked[name]

    def until(self) -> int:
        """Unix time until which what is announced now will be honoured at least."""
        return int(self._clock()) + self._seconds

    def for_offer(self, name: str, offered: Price, can_wait: bool = False) -> Price:
        """The price that a job is held to: one that is honoured still and that it meets, else the
        present one; for work that can wait with the discount of its time."""
        with self._lock:
            now = self._clock()
            standing = [each for each in self._ended.get(name, []) if each.until >= now]
            self._ended[name] = standing
            prices = [self._asked[name], *(each.price for each in standing)]
        if can_wait:
            prices = [price.for_batch() for price in prices]
        return next((price for price in prices if price.covers(offered)), prices[0])

    def _ask(self, name: str, price: Price) -> None:
        with self._lock:
            before = self._asked[name]
            if price == before:
                return
            until = self._clock() + self._seconds
            self._ended.setdefault(name, []).append(Standing(before, until))
            self._asked[name] = price
        logs.event("price_changed", model=name, **asdict(price))


def read_prices(path: Path) -> dict[str, Price]:
    """The changes in a file; none if it is not there. ConfigError if it is no such file."""
    try:
        content = json.loads(path.read_text())
        return {str(name): _price(entry) for name, entry in content.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            f"{path} holds no prices ({type(error).__name__}: {error}); delete it and set them "
            "again with `assay provider price`"
        ) from error


def write_price(path: Path, name: str, price: Price | None) -> None:
    """Change one model's price; None goes back to the settings'. The file is replaced whole."""
    prices = read_prices(path) | ({name: price} if price else {})
    if price is None:
        prices.pop(name, None)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps({key: asdict(value) for key, value in prices.items()}, indent=1))
    os.replace(draft, path)


def _price(entry: Mapping[str, Any]) -> Price:
    price = Price(entry["input"], entry["output"], entry.get("batch_discount_bps", 0))
    if any(type(value) is not int or value < 0 for value in asdict(price).values()):
        raise ValueError(f"{entry} is no price in whole micro-USD")
    if price.batch_discount_bps > BPS:
        raise ValueError(f"batch_discount_bps {price.batch_discount_bps} is above {BPS}")
    return price


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes when the file is replaced."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
