"""One batch shared by many threads: whoever waits for a token runs the step that makes it.

There is no thread of the scheduler's own. A consumer that finds no token of its request runs a
step of the batch, unless another one is at it; then it waits for that step's end. The lock is held
neither during a step nor while a consumer has its token, so whoever is slow delays nobody.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from assay.core.errors import AssayError
from assay.core.types import SamplingParams
from assay.engine.batch import Batch, Emitted
from assay.engine.planner import busy


@dataclass(eq=False)
class _Answer:
    """A request's tokens that are not consumed yet.

    `left` is set by its consumer, at any moment and without the lock; the rest under the lock.
    """

    prompt: tuple[int, ...]
    params: SamplingParams
    ready: deque[int] = field(default_factory=deque)
    left: bool = False
    finished: bool = False
    failure: str | None = None


class Stream(Iterator[int]):
    """One request's tokens; closing or forgetting it drops the request."""

    def __init__(self, scheduler: Scheduler, answer: _Answer) -> None:
        self._scheduler = scheduler
        self._answer = answer

    def __next__(self) -> int:
        return self._scheduler.next(self._answer)

    def close(self) -> None:
        self._scheduler.leave(self._answer)

    __del__ = close


class Scheduler:
    """Streams requests over one batch that `make` makes, at most `slots` and `waiting` of them."""

    def __init__(self, make: Callable[[], Batch], slots: int, waiting: int) -> None:
        self._make = make
        self._slots, self._waiting = slots, waiting
        self._batch: Batch | None = None
        # Not reentrant: `leave` may be called by the garbage collector wherever a thread is.
        self._changed = threading.Condition(threading.Lock())
        self._stepping = False
        self._joining: deque[_Answer] = deque()
        self._running: dict[int, _Answer] = {}

    @property
    def batch(self) -> Batch | None:
        """What has been made so far; to look at while no request is under way."""
        return self._batch

    def stream(self, prompt: Sequence[int], params: SamplingParams) -> Stream:
        """Queue a request, which must be valid; InputError with status 503 if there is no room."""
        with self._changed:
            under_way = [a for a in (*self._joining, *self._running.values()) if not a.left]
            if len(under_way) >= self._slots + self._waiting:
                raise busy(self._slots, self._waiting)
            answer = _Answer(tuple(prompt), params)
            self._joining.append(answer)
            return Stream(self, answer)

    def leave(self, answer: _Answer) -> None:
        """Drop a request, now or, if a step is running, before the next one. Never waits."""
        answer.left = True
        if not answer.finished and self._changed.acquire(blocking=False):
            try:
                if not self._stepping and self._batch is not None:
                    self._update(self._batch)
            finally:
                self._changed.release()

    def next(self, answer: _Answer) -> int:
        """The request's next token; StopIteration after its last one or once it is dropped."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._settled(answer) or not self._stepping)
                if self._settled(answer):
                    return _taken(answer)
                self._stepping = True
            self._step()

    @staticmethod
    def _settled(answer: _Answer) -> bool:
        return bool(answer.ready or answer.finished or answer.left or answer.failure)

    def _step(self) -> None:
        """One step for all. If it fails, every request under way does, and a new batch begins."""
        emitted: list[Emitted] = []
        failure: BaseException | None = None
        try:
            if self._batch is None:
                self._batch = self._make()
            with self._changed:
                self._update(self._batch)
            emitted = self._batch.step()
        except BaseException as error:  # an interrupt, too: the others must not wait for ever
            failure = error
        with self._changed:
            self._stepping = False
            if failure is None:
                self._deliver(emitted)
            else:
                self._fail(failure)
            self._changed.notify_all()
        if failure is not None and not isinstance(failure, Exception):
            raise failure

    def _update(self, batch: Batch) -> None:
        """Consumers that came and went."""
        for request in [id for id, answer in self._running.items() if answer.left]:
            batch.cancel(request)
            del self._running[request]
        while self._joining:
            answer = self._joining.popleft()
            if not answer.left:
                self._running[batch.add(answer.prompt, answer.params)] = answer

    def _deliver(self, emitted: Sequence[Emitted]) -> None:
        for one in emitted:
            answer = self._running[one.request]
            answer.ready.append(one.token)
            if one.finished:
                answer.finished = True
                del self._running[one.request]

    def _fail(self, error: BaseException) -> None:
        reason = f"{type(error).__name__}: {error}"
        for answer in (*self._running.values(), *self._joining):
            answer.failure = f"the engine failed ({reason}) and began anew; send the request again"
        self._batch = None
        self._running.clear()
        self._joining.clear()


def _taken(answer: _Answer) -> int:
    if answer.ready and not answer.left:
        return answer.ready.popleft()
    if answer.failure and not answer.left:
        raise AssayError(answer.failure)
    raise StopIteration
