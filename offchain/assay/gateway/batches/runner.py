"""Works on batches: validates their files, executes their lines, writes what came of them.

Every gateway runs one. It takes the lease of a batch, renews it while it works, and gives it up
when it ends; the lease of one that was killed lapses, and the next gateway goes on.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import suppress

from assay.core import logs
from assay.core.errors import AssayError, InputError
from assay.gateway.batches.book import LEASE_SECONDS, Book, LeaseLost
from assay.gateway.batches.executor import Executor
from assay.gateway.batches.files import BATCH_SECONDS, Files, new_file
from assay.gateway.batches.lines import Line, LineChecker, split_lines, success, unanswered
from assay.gateway.batches.rows import Batch, Entry, State

POLL_SECONDS = 0.5
RENEW_SECONDS = 1.5
SWEEP_SECONDS = 600.0
CANCEL_SECONDS = 30.0
"""How long lines that are under way may go on once their batch is cancelled."""
BATCHES_AT_ONCE = 8
"""Of one gateway: a short one does not wait for a long one."""
LINES_TOGETHER = 256
"""Lines that are read or written in one go."""
EXPIRED = "This request could not be executed before the completion window expired."
CANCELLED = "This request was not executed, for its batch was cancelled."


class Runner:
    """The batches that this gateway works on.

    Args:
        lines_at_once: lines of all its batches that are under way together.
    """

    def __init__(self, book: Book, files: Files, executor: Executor, lines_at_once: int) -> None:
        self._book = book
        self._files = files
        self._executor = executor
        self._gate = asyncio.Semaphore(lines_at_once)
        self._working: dict[str, asyncio.Task[None]] = {}
        self._swept = float("-inf")

    async def run(self) -> None:
        """Until cancelled; leases are then given up."""
        try:
            while True:
                try:
                    await self._turn()
                except AssayError as error:
                    logs.warning("batches_wait", error=error.message)
                await asyncio.sleep(POLL_SECONDS)
        finally:
            tasks = list(self._working.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _turn(self) -> None:
        if time.monotonic() - self._swept > SWEEP_SECONDS:
            self._swept = time.monotonic()
            await self._files.sweep()
        while len(self._working) < BATCHES_AT_ONCE:
            batch = await self._book.take(list(self._working))
            if batch is None:
                return
            logs.event("batch_taken", batch=batch.batch_id, status=batch.status)
            self._working[batch.batch_id] = asyncio.create_task(self._hold(batch))

    async def _hold(self, batch: Batch) -> None:
        """Work on a batch while its lease lasts."""
        try:
            await self._work(batch)
        finally:
            self._working.pop(batch.batch_id, None)

    async def _work(self, batch: Batch) -> None:
        work = Work(batch, self._book, self._files, self._executor, self._gate)
        tasks = [asyncio.create_task(work.run()), asyncio.create_task(work.keep())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            ends = await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(AssayError, LeaseLost):
                await self._book.set(batch.batch_id, release=True)
        for end in ends:
            if isinstance(end, Exception):
                logs.warning("batch_interrupted", batch=batch.batch_id, error=repr(end)[:200])


class Work:
    """One batch, while this gateway holds its lease."""

    def __init__(
        self, batch: Batch, book: Book, files: Files, executor: Executor, gate: asyncio.Semaphore
    ) -> None:
        self._batch = batch
        self._book = book
        self._files = files
        self._executor = executor
        self._gate = gate

    async def keep(self) -> None:
        """Renew the lease, and see whether the batch was cancelled."""
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            async with asyncio.timeout(LEASE_SECONDS):
                self._batch = await self._book.renew(self._batch.batch_id)

    async def run(self) -> None:
        batch = self._batch
        if batch.status == "validating" and not await self._validate():
            return
        if self._batch.status == "in_progress":
            await self._execute()
        await self._finish()

    def _is_over(self) -> bool:
        """Whether no further line is begun."""
        return self._batch.status == "cancelling" or time.time() >= self._batch.expires

    async def _validate(self) -> bool:
        """Keep the lines of the input file; False if it is wrong, which ends the batch."""
        batch_id, checker = self._batch.batch_id, LineChecker(self._batch.endpoint)
        await self._book.begin(batch_id)
        held: list[Line] = []
        number = 0
        try:
            file = await self._files.get(self._batch.input_file, self._batch.owner)
            async for text in split_lines(self._files.content(file.file_id)):
                number += 1
                if (line := checker.check(number, text)) is not None:
                    held.append(line)
                if len(held) == LINES_TOGETHER:
                    await self._book.add_lines(batch_id, held)
                    held = []
        except InputError as error:  # the file is gone
            checker.errors.append({"code": error.code, "message": error.message, "line": None})
        if held:
            await self._book.add_lines(batch_id, held)
        checker.finish()
        return await self._validated(checker)

    async def _validated(self, checker: LineChecker) -> bool:
        batch_id, now = self._batch.batch_id, int(time.time())
        if checker.errors:
            errors = json.dumps(checker.errors)
            await self._book.begin(batch_id)
            await self._book.set(batch_id, status="failed", errors=errors, ended=now)
            return False
        self._batch = await self._book.advance(
            batch_id, "in_progress", "validating", in_progress=now
        )
        return True

    async def _execute(self) -> None:
        """All lines that wait, as many at once as the gate lets through."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            async for entry in self._waiting():
                await self._gate.acquire()
                task = asyncio.create_task(self._executor.execute(self._batch, entry))
                task.add_done_callback(lambda _: self._gate.release())
                under_way.add(task)
                if self._is_over():
                    break
                _raise_failed(under_way)
            await self._ended(under_way)
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _ended(self, under_way: set[asyncio.Task[None]]) -> None:
        """Wait for the lines under way; not for long once the batch is over."""
        while under_way:
            await asyncio.wait(under_way, timeout=POLL_SECONDS)
            _raise_failed(under_way)
            if time.time() >= self._batch.expires or self._cancelled_long_ago:
                return

    @property
    def _cancelled_long_ago(self) -> bool:
        since = self._batch.cancelling
        return since is not None and time.time() - since > CANCEL_SECONDS

    async def _waiting(self) -> AsyncIterator[Entry]:
        after = 0
        while not self._is_over():
            entries = await self._book.waiting(self._batch.batch_id, after, LINES_TOGETHER)
            if not entries:
                return
            for entry in entries:
                if self._is_over():
                    return
                yield entry
            after = entries[-1].line

    async def _finish(self) -> None:
        """Write the output files and end the batch."""
        batch_id, now = self._batch.batch_id, int(time.time())
        late = now >= self._batch.expires
        await self._book.expire(batch_id)
        self._batch = await self._book.advance(
            batch_id, "finalizing", "in_progress", finalizing=now
        )
        cancelled = self._batch.status == "cancelling"
        output: str | None = None
        try:
            output = await self._write("output", (State.ANSWERED,))
            errors = await self._write("errors", (State.FAILED, State.EXPIRED))
        except BaseException:
            self._files.discard((output,))
            raise
        expired = late and await self._book.lines(batch_id, (State.EXPIRED,), 0, 1)
        status = "cancelled" if cancelled else "expired" if expired else "completed"
        end = int(time.time())
        try:
            await self._book.set(
                batch_id, status=status, ended=end, output_file=output, error_file=errors
            )
        except LeaseLost:
            self._files.discard((output, errors))
            raise
        logs.event("batch_ended", batch=batch_id, status=status)

    async def _write(self, kind: str, states: tuple[State, ...]) -> str | None:
        """A file of the lines in these states; None if there are none.

        Of an id of its own each time: another gateway may write the same, and who has lost the
        lease deletes its own.
        """
        batch = self._batch
        if not await self._book.lines(batch.batch_id, states, 0, 1):
            return None
        name = f"{batch.batch_id}_{kind}.jsonl"
        file = new_file(batch.owner, name, "batch_output", BATCH_SECONDS)
        await self._files.save(self._lines(states), file, limit=1 << 40)
        return file.file_id

    async def _lines(self, states: tuple[State, ...]) -> AsyncIterator[bytes]:
        after, over = 0, CANCELLED if self._batch.status == "cancelling" else EXPIRED
        batch_id = self._batch.batch_id
        while entries := await self._book.lines(batch_id, states, after, LINES_TOGETHER):
            yield b"".join(_output(batch_id, entry, over) for entry in entries)
            after = entries[-1].line


def _raise_failed(tasks: set[asyncio.Task[None]]) -> None:
    """Take out the tasks that are done; what one of them raised, a lost lease, ends the work."""
    for task in [task for task in tasks if task.done()]:
        tasks.discard(task)
        task.result()


def _output(batch_id: str, entry: Entry, over: str) -> bytes:
    if entry.answer is None or entry.request_id is None or entry.status_code is None:
        request_id = f"{batch_id.removeprefix('batch_')}{entry.line:06d}"
        code = "batch_cancelled" if over == CANCELLED else "batch_expired"
        return unanswered(request_id, entry.custom_id, code, over)
    return success(entry.request_id, entry.custom_id, entry.status_code, entry.answer)
