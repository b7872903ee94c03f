"""How many tokens a queue has given out, and how fast it does so now."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 30


class Meter:
    """Counts; the rate is that of the last `WINDOW_SECONDS`, by whole seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._begun = clock()
        self._seconds: deque[tuple[int, int]] = deque(maxlen=WINDOW_SECONDS + 1)
        self._total = 0

    def add(self, tokens: int = 1) -> None:
        second = int(self._clock())
        with self._lock:
            self._total += tokens
            if self._seconds and self._seconds[-1][0] == second:
                self._seconds[-1] = (second, self._seconds[-1][1] + tokens)
            else:
                self._seconds.append((second, tokens))

    @property
    def total(self) -> int:
        return self._total

    def rate(self) -> float:
        """Tokens a second."""
        now = self._clock()
        with self._lock:
            recent = sum(count for second, count in self._seconds if second > now - WINDOW_SECONDS)
        return recent / max(min(now - self._begun, WINDOW_SECONDS), 1.0)
