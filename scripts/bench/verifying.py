"""What it costs that answers can be verified: while serving, and for whoever verifies.

`receipts`: the same jobs through the provider's worker, with everything that makes an answer
verifiable (the job's signature and prompt root checked, the receipt made, signed and journalled, a
batch's root over all) and without, by turns. `verify`: an output made token by token, and judged
by one prefill, by turns. Medians; no chain and no network.
"""

from __future__ import annotations

import queue
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

from eth_account import Account
from eth_keys.main import KeyAPI

from assay.core.errors import AssayError
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE, job_id, receipt_leaf
from assay.core.merkle import MerkleTree
from assay.core.signing import job_signer, sign_job, sign_receipt
from assay.core.tokens import TokenList
from assay.core.types import Job, Model, Receipt, SamplingParams
from assay.engine.engine import Engine
from assay.exact.model import ExactModel
from assay.provider.admission import Terms, check_job
from assay.provider.cheat import Honest
from assay.provider.jobs import Admitted, Item, Run
from assay.provider.journal import Entry, Journal
from assay.provider.worker import Decoding, Worker
from scripts.bench.serving_models import prompts

CHAIN_ID, SETTLEMENT = 31337, "0x" + "33" * 20
SALT, SIGNATURE = bytes(range(32)), bytes(65)


@dataclass(frozen=True)
class Load:
    """Jobs of one size, `together` of them at a time."""

    jobs: int
    together: int
    prompt: int
    output: int


class Bare(Worker):
    """Hands answers out without a receipt."""

    def _finish(self, runs: Sequence[Run]) -> None:
        for run in runs:
            a = run.admitted
            none = Receipt(a.job_id, bytes(32), len(run.output), 0)
            entry = Entry(
                a.job_id, a.job, a.signature, a.salt, a.prompt, tuple(run.output), none, b"", 0.0
            )
            with self._changed:
                del self._runs[a.job_id]
            run.outlet(entry)


class Receipts:
    """The cost while serving of one engine's answers."""

    def __init__(self, engine: Decoding, model: ExactModel, load: Load) -> None:
        self._engine, self._load, self._tokens = engine, load, 0
        self._consumer, self._provider = Account.create(), Account.create()
        self._terms = Terms(str(self._provider.address), bytes(32), self._header(), 0, 0)
        texts = zip(range(load.jobs + 1), prompts(model, load.prompt), strict=False)
        self._first, *self._jobs = [self._signed(number, tuple(prompt)) for number, prompt in texts]

    def measure(self, rounds: int) -> dict[str, Any]:
        found: dict[str, list[float]] = {"bare": [], "verifiable": []}
        self._serve(Bare, False)
        for _ in range(rounds):
            found["bare"].append(self._serve(Bare, False))
            found["verifiable"].append(self._serve(Worker, True))
        seconds = {name: median(times) for name, times in found.items()}
        tokens = self._tokens
        return {
            **vars(self._load),
            "engine": "a process of its own" if self._engine.ahead else "in the worker's process",
            "signatures_by": type(KeyAPI().backend).__name__,
            "tokens_per_second": {n: round(tokens / s, 1) for n, s in seconds.items()},
            "overhead": round(seconds["verifiable"] / seconds["bare"] - 1, 4),
            "parts_ms_an_answer": self._parts(),
            "every_round_seconds": {n: [round(s, 4) for s in t] for n, t in found.items()},
        }

    def _serve(self, kind: type[Worker], checked: bool) -> float:
        """Seconds from the first job to the last answer, its batch's root included; another job
        went before, as the engine may have to begin."""
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal(Path(folder) / "journal.sqlite")
            worker = kind(
                self._engine, journal, self._sign, Honest(), self._load.together, self._load.jobs
            )
            items: queue.SimpleQueue[Item] = queue.SimpleQueue()
            worker.start(self._first, items.put)
            _claims(items, 1)
            began = time.perf_counter()
            for job in self._jobs:
                if checked:
                    self._check(job)
                worker.start(job, items.put)
            entries = _claims(items, len(self._jobs))
            self._tokens = sum(len(entry.output) for entry in entries)
            if checked:
                MerkleTree([receipt_leaf(entry.receipt) for entry in entries])
            seconds = time.perf_counter() - began
            worker.close()
            journal.close()
        return seconds

    def _check(self, admitted: Admitted) -> None:
        check_job(admitted.job, admitted.prompt, admitted.salt, self._terms)
        assert job_id(admitted.job, CHAIN_ID, SETTLEMENT) == admitted.job_id
        signer = job_signer(admitted.job, admitted.signature, CHAIN_ID, SETTLEMENT)
        assert signer == self._consumer.address

    def _sign(self, receipt: Receipt) -> bytes:
        return sign_receipt(self._provider, receipt, CHAIN_ID, SETTLEMENT)

    def _signed(self, number: int, prompt: tuple[int, ...]) -> Admitted:
        job = Job(
            model_root=bytes(32),
            consumer=str(self._consumer.address),
            provider=str(self._provider.address),
            prompt_root=TokenList(prompt, SALT, PROMPT_SIDE).root,
            prompt_tokens=len(prompt),
            max_output_tokens=self._load.output,
            inv_temperature=0,
            seed=bytes(32),
            price_input=1,
            price_output=1,
            max_price=10**6,
            deadline=2**40,
            data_mode=0,
            nonce=number.to_bytes(32, "big"),
        )
        signature = sign_job(self._consumer, job, CHAIN_ID, SETTLEMENT)
        return Admitted(job_id(job, CHAIN_ID, SETTLEMENT), job, signature, prompt, SALT)

    def _header(self) -> Model:
        shape, none = self._engine.shape, bytes(32)
        return Model(
            1, none, none, none, none, none, 1, 1, 1, shape.vocab, shape.context, 14, 0, ()
        )

    def _parts(self) -> dict[str, float]:
        """Where the time goes, each alone, on the first job; the journal's is mostly waiting."""
        job = self._jobs[0]
        output = list(range(self._load.output))
        receipt = Receipt(job.job_id, bytes(32), len(output), 1)
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal(Path(folder) / "journal.sqlite")
            numbers = iter(range(10**9))

            def add() -> None:
                own = next(numbers).to_bytes(32, "big")
                journal.add(
                    Entry(
                        own, job.job, job.signature, SALT, job.prompt, tuple(output), receipt,
                        SIGNATURE, 0.0,
                    )
                )  # fmt: skip

            return {
                "check the job": each(partial(self._check, job)),
                "commit to the output": each(lambda: TokenList(output, SALT, OUTPUT_SIDE).root),
                "sign the receipt": each(partial(self._sign, receipt)),
                "journal": each(add),
            }


def _claims(items: queue.SimpleQueue[Item], count: int) -> list[Entry]:
    """The claims of so many jobs, once the last has ended."""
    entries: list[Entry] = []
    while len(entries) < count:
        item = items.get()
        if isinstance(item, AssayError):
            raise item
        if isinstance(item, Entry):
            entries.append(item)
    return entries


def verify(engine: Engine, prompt: int, output: int, rounds: int) -> dict[str, Any]:
    """Seconds to make an output alone, and to judge it."""
    tokens, params = next(prompts(engine.model, prompt)), SamplingParams(output)
    times: dict[str, list[float]] = {"prefill": [], "decode": [], "verify": []}
    for turn in range(rounds + 1):
        batch = engine.batch(1)
        batch.add(tokens, params)
        began = time.perf_counter()
        made = [emitted.token for emitted in batch.step()]
        while not made:
            made += [emitted.token for emitted in batch.step()]
        first = time.perf_counter()
        while len(batch):
            made += [emitted.token for emitted in batch.step()]
        ended = time.perf_counter()
        wrong = engine.first_wrong_token(tokens, made, params)
        judged = time.perf_counter()
        if wrong is not None:
            raise SystemExit(f"token {wrong} of the engine's own output is wrong: a defect")
        if turn:  # the first warms up
            for name, spent in zip(
                times, (first - began, ended - first, judged - ended), strict=True
            ):
                times[name].append(spent)
    seconds = {name: median(spent) for name, spent in times.items()}
    return {
        "prompt_tokens": prompt,
        "output_tokens": output,
        "seconds": {name: round(value, 4) for name, value in seconds.items()},
        "of_generating": round(seconds["verify"] / (seconds["prefill"] + seconds["decode"]), 3),
        "of_decoding": round(seconds["verify"] / seconds["decode"], 3),
        "every_round_seconds": {n: [round(s, 4) for s in t] for n, t in times.items()},
    }


def each(run: Callable[[], object], times: int = 20) -> float:
    """Milliseconds of one, the median of some."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return round(median(found) * 1e3, 3)
