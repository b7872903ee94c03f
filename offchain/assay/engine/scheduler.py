"""One batch shared by many threads: whoever waits for a token runs the step that makes it.

There is no thread of the scheduler's own. A consumer that finds no token for its request takes
the lock and steps the batch, which makes a token for every request; others find theirs waiting.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence

from assay.core.types import SamplingParams
from assay.engine.batch import Batch


class Scheduler:
    """Streams requests over a shared batch; requests beyond its slots wait for one."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._changed = threading.Condition()
        self._ready: dict[int, deque[tuple[int, bool]]] = {}

    def stream(self, prompt: Sequence[int], params: SamplingParams) -> Iterator[int]:
        """Tokens of one request, which must be valid; closing the iterator drops the request."""
        request = self._join(prompt, params)
        try:
            finished = False
            while not finished:
                token, finished = self._next(request)
                yield token
        finally:
            self._leave(request)

    def _join(self, prompt: Sequence[int], params: SamplingParams) -> int:
        with self._changed:
            while self._batch.full:
                self._changed.wait()
            request = self._batch.add(prompt, params)
            self._ready[request] = deque()
            return request

    def _next(self, request: int) -> tuple[int, bool]:
        with self._changed:
            waiting = self._ready[request]
            if not waiting:
                for emitted in self._batch.step():
                    self._ready[emitted.request].append((emitted.token, emitted.finished))
            return waiting.popleft()

    def _leave(self, request: int) -> None:
        with self._changed:
            self._batch.cancel(request)
            del self._ready[request]
            self._changed.notify()
