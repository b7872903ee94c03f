"""Clients of the gateway that keep asking whatever happens, and what each was told.

They are OpenAI's own, without retries. A client must be answered, or be given an error that says
what is wrong; what is neither is kept as `unclear`: silence until it gave up, an answer cut short
without an error, a failure of ours that says nothing.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any

import httpx
import openai

PATIENCE_SECONDS = 60.0
PAUSE_SECONDS = 0.1
RECOVERY_SECONDS = 100.0
ENOUGH = 3
WORDS = ("Return the number of", "Open the file", "A list of", "Raise an error if")


@dataclass(frozen=True)
class Outcome:
    """What became of one request: an answer's receipt id, an error in a word, or neither.

    `asked`, `at`: when it began and ended.
    """

    asked: float
    at: float
    receipt_id: str | None = None
    refusal: str | None = None
    unclear: str | None = None


def ask(client: openai.OpenAI, stream: bool, **request: Any) -> Outcome:
    """One completion."""
    asked = time.monotonic()
    found = _ask(client, stream, **request)
    return Outcome(asked, time.monotonic(), **found)


def _ask(client: openai.OpenAI, stream: bool, **request: Any) -> dict[str, Any]:
    try:
        return _streamed(client, **request) if stream else _whole(client, **request)
    except openai.APITimeoutError:
        return {"unclear": "no answer in time"}
    except openai.APIStatusError as error:
        if error.code is None or error.status_code == 500:
            return {"unclear": f"{error.status_code}: {error.message[:200]}"}
        return {"refusal": f"{error.status_code} {error.code}"}
    except (openai.APIConnectionError, httpx.TransportError):
        return {"refusal": "connection"}
    except openai.APIError as error:  # an event of a stream
        return {"refusal": f"event {error.code}"}


def _whole(client: openai.OpenAI, **request: Any) -> dict[str, Any]:
    answer = client.completions.create(**request)
    return {"receipt_id": (answer.model_extra or {})["assay"]["receipt_id"]}


def _streamed(client: openai.OpenAI, **request: Any) -> dict[str, Any]:
    """A stream that ends without its last chunk and without an error is cut short."""
    found: dict[str, Any] = {"unclear": "the stream ended without its last chunk"}
    for chunk in client.completions.create(stream=True, **request):
        if chunk.choices and chunk.choices[0].finish_reason:
            found = {"receipt_id": (chunk.model_extra or {})["assay"]["receipt_id"]}
    return found


@dataclass
class Load:
    """So many clients, one thread each; a context manager that ends them.

    Args:
        make: a new client; each thread has its own.
        request: what the requests have in common.
    """

    make: Callable[[], openai.OpenAI]
    request: dict[str, Any]
    random: Random
    clients: int = 3
    outcomes: list[Outcome] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._over = threading.Event()
        seeds = [self.random.random() for _ in range(self.clients)]
        self._threads = [threading.Thread(target=self._run, args=(seed,)) for seed in seeds]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, seed: float) -> None:
        draw = Random(seed)
        with self.make() as client:
            while not self._over.is_set():
                words = f"{draw.choice(WORDS)} {draw.randrange(1000)}"
                limit, stream = draw.randrange(2, 7), draw.random() < 0.5
                request = {**self.request, "prompt": words, "max_tokens": limit}
                self.outcomes.append(ask(client, stream, **request))
                self._over.wait(PAUSE_SECONDS)

    def recovery(self, moment: float) -> float:
        """Seconds from a moment on to the first of the answers that show that all is well: to
        requests that were sent after it."""
        deadline = time.monotonic() + RECOVERY_SECONDS
        while True:
            since = [one for one in list(self.outcomes) if one.asked > moment]
            answers = [one.at for one in since if one.receipt_id is not None]
            if len(answers) >= ENOUGH:
                return min(answers) - moment
            assert time.monotonic() < deadline, f"no answers in {RECOVERY_SECONDS:g} s: {since}"
            time.sleep(0.1)

    def receipts(self) -> list[str]:
        return [one.receipt_id for one in self.outcomes if one.receipt_id]

    def refusals(self) -> Counter[str]:
        return Counter(one.refusal for one in self.outcomes if one.refusal)

    def unclear(self) -> list[str]:
        return [one.unclear for one in self.outcomes if one.unclear]
