"""Which rows the next pass computes: admission, chunks, pages, eviction. Knows no tensor.

A pass takes the decoding requests first, then parts of prompts, oldest request first, then new
requests, until it has its rows. When pages run out, the youngest request gives up its own and is
computed again later from its tokens, to the same bits. So every running request is older than
every waiting one, and the oldest, which always gets what it needs, ends in finite time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from assay.core.errors import InputError
from assay.core.types import SamplingParams
from assay.engine.backends.base import PAGE, pages_for
from assay.engine.pages import NO_TOKENS, PagePool, Prefix, extended


@dataclass(frozen=True)
class Limits:
    """What a batch may use.

    slots    requests computed together
    waiting  requests queued beyond those; more are refused
    pages    of the cache
    rows     of one pass, at least two for every row that decoding alone takes
    guesses  tokens that a draft model guesses ahead; 0 without one
    reuse    whether pages of a known prefix are used again
    sight    positions that a row sees at most, of the model and of the draft; 0 for all before it
    """

    slots: int
    waiting: int
    pages: int
    rows: int
    guesses: int = 0
    reuse: bool = True
    sight: int = 0

    @property
    def pass_rows(self) -> int:
        return max(self.rows, 2 * self.slots * (1 + self.guesses))

    def held(self, positions: int) -> int:
        """Pages that a request of so many positions holds at once, at most."""
        whole = pages_for(positions)
        return min(whole, pages_for(self.sight + self.pass_rows) + 1) if self.sight else whole


@dataclass(eq=False)
class Request:
    """A request under way: `tokens` are its prompt and output, the first `cached` of them are in
    the cache, in `pages`, the first `drafted` also in the draft's; the first `kept` pages are
    known by their prefix. The first `passed` pages lie before every window and are given back:
    their numbers stay for the others' sake, and what they hold now is masked."""

    id: int
    params: SamplingParams
    prompt: int
    tokens: list[int]
    pages: list[int] = field(default_factory=list)
    cached: int = 0
    drafted: int = 0
    kept: int = 0
    passed: int = 0
    _prefixes: list[Prefix] = field(default_factory=list)

    @property
    def output(self) -> int:
        """Output tokens so far."""
        return len(self.tokens) - self.prompt

    @property
    def pending(self) -> int:
        """Tokens that are not in the cache yet; one while it decodes."""
        return len(self.tokens) - self.cached

    @property
    def own_pages(self) -> list[int]:
        """Those that it has not given back."""
        return self.pages[self.passed :]

    @property
    def remaining(self) -> int:
        """Output tokens that it may still make."""
        return self.params.max_tokens - self.output

    def prefix(self, page: int) -> Prefix:
        """What its page of that index holds once it is full."""
        while len(self._prefixes) <= page:
            at = len(self._prefixes)
            before = self._prefixes[-1] if at else NO_TOKENS
            self._prefixes.append(extended(before, self.tokens[at * PAGE : (at + 1) * PAGE]))
        return self._prefixes[page]


class Part(NamedTuple):
    """Rows of one request in the next pass, from its `cached` on.

    The last `guesses` of them are for tokens that a draft has yet to guess; from the last `answers`
    of them next tokens follow: 0 before the request's own tokens are complete.
    """

    request: Request
    rows: int
    guesses: int
    answers: int

    @property
    def end(self) -> int:
        """The position after the request's own tokens."""
        return self.request.cached + self.rows - self.guesses


class Planner:
    """Requests waiting and running, and their pages."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.pool = PagePool(limits.pages)
        self.evicted = 0  # requests that gave up their pages, ever
        self._waiting: deque[Request] = deque()  # oldest first, all younger than the running ones
        self._running: dict[int, Request] = {}  # oldest first

    def __len__(self) -> int:
        return len(self._waiting) + len(self._running)

    @property
    def full(self) -> bool:
        return len(self) >= self.limits.slots + self.limits.waiting

    def add(self, request: Request) -> None:
        """Queue a request; InputError if it can never run or there is no room."""
        check_fits(self.limits, request.prompt, request.params)
        if self.full:
            raise busy(self.limits.slots, self.limits.waiting)
        self._waiting.append(request)

    def drop(self, id: int) -> None:
        """Forget a request, if it is still there; its pages go back."""
        request = self._running.pop(id, None)
        if request is not None:
            self.pool.release(request.own_pages)
            return
        for request in self._waiting:
            if request.id == id:
                self._waiting.remove(request)
                return

    def plan(self) -> list[Part]:
        """The next pass, decoding requests first; empty only if there is nothing to do."""
        planned: dict[int, Part] = {}
        for request in list(self._running.values()):
            if request.pending == 1:
                guesses = min(self.limits.guesses, request.remaining - 1)
                self._place(request, 1 + guesses, planned)
        for request in self._prefilling():
            left = self.limits.pass_rows - sum(part.rows for part in planned.values())
            if left <= 0:
                break
            self._place(request, min(request.pending, left), planned)
        return list(planned.values())

    def computed(self, request: Request) -> None:
        """Remember the prefixes that the last pass has completed; give back pages that no later
        row sees."""
        done = min(request.cached, request.drafted) if self.limits.guesses else request.cached
        while self.limits.reuse and request.kept < done // PAGE:
            self.pool.keep(request.pages[request.kept], request.prefix(request.kept))
            request.kept += 1
        self._give_back(request, done)

    def _give_back(self, request: Request, done: int) -> None:
        """Pages before all that a row at position `done` sees."""
        if self.limits.sight:
            seen = max(done + 1 - self.limits.sight, 0) // PAGE
            self.pool.release(request.pages[request.passed : seen])
            request.passed = max(request.passed, seen)

    def _prefilling(self) -> Iterator[Request]:
        """Running requests with more than a token to compute, then new ones while there is room."""
        for request in list(self._running.values()):
            if request.pending > 1 and request.id in self._running:
                yield request
        while self._waiting and len(self._running) < self.limits.slots:
            if not self._admit(self._waiting[0]):
                return
            yield self._running.setdefault(self._waiting[0].id, self._waiting.popleft())

    def _admit(self, request: Request) -> bool:
        """Whether there are pages for all its tokens; those of a known prefix it gets at once.

        At least one token is left to compute: the next one follows from its row.
        """
        full = (len(request.tokens) - 1) // PAGE if self.limits.reuse else 0
        shared = self.pool.share(request.prefix(page) for page in range(full))
        if self.limits.held(len(request.tokens) + 1) - len(shared) > self.pool.available:
            self.pool.release(shared)
            self.pool.reused -= len(shared)
            return False
        request.pages, request.kept = shared, len(shared)
        request.cached = request.drafted = len(shared) * PAGE
        self._give_back(request, request.cached)
        return True

    def _place(self, request: Request, rows: int, planned: dict[int, Part]) -> None:
        """Plan so many rows, or as many as there are pages for."""
        if request.id not in self._running:  # evicted for an older one's sake
            return
        if request.cached + rows > len(request.pages) * PAGE:
            self._grow(request, request.cached + rows, planned)
            rows = min(rows, len(request.pages) * PAGE - request.cached)
        pending = request.pending
        if rows >= pending:
            planned[request.id] = Part(request, rows, rows - pending, 1 + rows - pending)
        elif rows > 0:
            planned[request.id] = Part(request, rows, 0, 0)

    def _grow(self, request: Request, positions: int, planned: dict[int, Part]) -> None:
        """Pages for so many positions, at the expense of younger requests."""
        while len(request.pages) < pages_for(positions):
            page = self.pool.take()
            if page is not None:
                request.pages.append(page)
                continue
            youngest = next(reversed(self._running.values()))
            if youngest is request:
                return
            planned.pop(youngest.id, None)
            self._evict(youngest)

    def _evict(self, request: Request) -> None:
        del self._running[request.id]
        self.pool.release(request.own_pages)
        request.pages, request.cached, request.drafted = [], 0, 0
        request.kept, request.passed = 0, 0
        self._waiting.appendleft(request)
        self.evicted += 1


def check_fits(limits: Limits, prompt: int, params: SamplingParams) -> None:
    """Raise InputError unless a request of so many prompt tokens can end within the cache."""
    if limits.held(prompt + params.max_tokens) > limits.pages:
        raise InputError(
            f"{prompt} prompt tokens and up to {params.max_tokens} output tokens exceed the cache "
            f"of {limits.pages * PAGE} positions; ask for fewer, or give the engine more "
            "`positions`",
            code="context_length_exceeded",
            param="prompt",
        )


def busy(slots: int, waiting: int) -> InputError:
    """There is no room for another request."""
    return InputError(
        f"all {slots} slots are taken and {waiting} requests wait, the most that may; try again "
        "later, or give the engine more `slots` or `waiting`",
        code="busy",
        status=503,
    )
