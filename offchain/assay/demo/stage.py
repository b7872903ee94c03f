"""The processes of a demonstration: started, watched while waiting, and ended whatever happens."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import TypeVar

from assay.chain.anvil import Anvil
from assay.chain.process import ManagedProcess, stop_all
from assay.core.errors import AssayError, EnvironmentMissing

POLL_SECONDS = 0.2
STOP_SECONDS = 8.0  # a service drains; a demonstration's have little to drain

T = TypeVar("T")


class DemoFailed(AssayError):
    """Something that the demonstration waited for did not happen."""

    code = "demo"


class Stopped(BaseException):
    """SIGTERM or SIGHUP: unwinds like Ctrl-C."""


class Stage:
    """Owns the scratch folder and every child; a context manager that ends them all.

    The folder (logs, keystores, journals) goes away with success and stays after a failure.
    Ctrl-C leaves it as KeyboardInterrupt, SIGTERM and SIGHUP as Stopped.
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="assay-demo-"))
        self.anvil: Anvil | None = None
        self._processes: list[ManagedProcess] = []
        self._handlers = {number: signal.getsignal(number) for number in _ENDING}
        self._told_to_end: BaseException | None = None

    def __enter__(self) -> Stage:
        # SIGINT too: a shell that starts us in the background ignores it for its children.
        for number in _ENDING:
            signal.signal(number, self._end)
        atexit.register(self.stop)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        atexit.unregister(self.stop)
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        told = self._told_to_end
        if error is None or told is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        # Native code that a signal's exception passes may leave with an error of its own.
        if told is not None and told is not error:
            raise told from error

    def start_anvil(self, port: int) -> Anvil:
        self._check_told()
        self.anvil = Anvil(port=port, log=self.folder / "anvil.log")
        self._processes.append(self.anvil.process)
        return self.anvil

    def start(self, name: str, arguments: list[str], settings: Mapping[str, object]) -> None:
        """Start `assay ARGUMENTS` with the given ASSAY_* settings and no others."""
        self._check_told()
        env = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
        env["OMP_NUM_THREADS"] = "1"  # several processes share few cores: spinning only hurts
        env |= {f"ASSAY_{key.upper()}": str(value) for key, value in settings.items()}
        command = [sys.executable, "-m", "assay.cli.main", *arguments]
        log = self.folder / f"{name}.log"
        self._processes.append(ManagedProcess(name, command, log, env))

    def log(self, name: str) -> str:
        """What a child has written so far."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait_for(self, what: str, probe: Callable[[], T | None], seconds: float) -> T:
        """Poll until `probe()` gives something.

        Raises EnvironmentMissing if a child dies meanwhile, DemoFailed after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while (found := probe()) is None:
            self._check_alive(what)
            if time.monotonic() > deadline:
                raise DemoFailed(
                    f"waited more than {seconds:g} s for {what}; the logs in {self.folder} say why"
                )
            time.sleep(POLL_SECONDS)
        return found

    def watch(self) -> None:
        """Return only by an exception: Ctrl-C, or a child's death."""
        while True:
            self._check_alive("Ctrl-C")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """End every child; a second Ctrl-C meanwhile changes nothing."""
        previous = {number: signal.signal(number, signal.SIG_IGN) for number in _ENDING}
        try:
            stop_all(self._processes, STOP_SECONDS)
            self._processes.clear()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._told_to_end = KeyboardInterrupt() if number == signal.SIGINT else Stopped(number)
        raise self._told_to_end

    def _check_told(self) -> None:
        """Raise again what a signal raised, and what was lost on its way."""
        if self._told_to_end is not None:
            raise self._told_to_end

    def _check_alive(self, what: str) -> None:
        self._check_told()
        for process in self._processes:
            if not process.running():
                raise EnvironmentMissing(
                    f"{process.name} ended with code {process.exit_code()} while the demo waited "
                    f"for {what}; the end of {process.log}:\n{process.tail()}"
                )


_ENDING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
