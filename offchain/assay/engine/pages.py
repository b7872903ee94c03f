"""Which pages of a cache are free, whose they are, and which hold a prefix that is known.

Knows page numbers and hashes of tokens; the keys and values themselves are the backend's.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import NewType

import numpy as np

Prefix = NewType("Prefix", bytes)
"""Names all tokens from the first one to the end of a page. A collision would put one request's
keys into another's attention, so it is a hash that nobody can find collisions of."""

NO_TOKENS = Prefix(b"")


def extended(prefix: Prefix, tokens: Sequence[int]) -> Prefix:
    """The prefix that ends one page of tokens later."""
    return Prefix(sha256(prefix + np.array(tokens, np.int32).tobytes()).digest())


class PagePool:
    """So many pages, each in one of three states.

    free     never used, or nothing in it is known
    in use   by one sequence or, if it holds a known prefix, by several
    idle     in nobody's use, its prefix still known; given away when no free page is left, least
             recently used first
    """

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.reused = 0  # pages found by their prefix, ever
        self._free = list(range(pages))  # a heap: neighbours go together
        self._users = [0] * pages
        self._prefix: dict[int, Prefix] = {}
        self._page: dict[Prefix, int] = {}
        self._idle: OrderedDict[int, None] = OrderedDict()

    @property
    def available(self) -> int:
        """Pages that can be taken."""
        return len(self._free) + len(self._idle)

    def take(self) -> int | None:
        """A page for one sequence to write to; None if all are in use."""
        if self._free:
            page = heapq.heappop(self._free)
        elif self._idle:
            page, _ = self._idle.popitem(last=False)
            del self._page[self._prefix.pop(page)]
        else:
            return None
        self._users[page] = 1
        return page

    def share(self, prefixes: Iterable[Prefix]) -> list[int]:
        """The pages of as many of a sequence's prefixes, from the first on, as are known."""
        shared = []
        for prefix in prefixes:
            page = self._page.get(prefix)
            if page is None:
                break
            self._idle.pop(page, None)
            self._users[page] += 1
            shared.append(page)
        self.reused += len(shared)
        return shared

    def keep(self, page: int, prefix: Prefix) -> None:
        """Remember what a page holds; it must be full and is not written again."""
        if prefix not in self._page:
            self._page[prefix], self._prefix[page] = page, prefix

    def release(self, pages: Sequence[int]) -> None:
        """One sequence no longer uses these; a prefix's end is given away before its beginning."""
        for page in reversed(pages):
            self._users[page] -= 1
            if self._users[page]:
                continue
            if page in self._prefix:
                self._idle[page] = None
            else:
                heapq.heappush(self._free, page)
