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
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="assay-demo-"))
        self.anvil: Anvil | None = None
        self._processes: list[ManagedProcess] = []
        self._handlers = {number: signal.getsignal(number) for number in (*_ENDING, signal.SIGINT)}

    def __enter__(self) -> Stage:
        for number in _ENDING:
            signal.signal(number, _unwind)
        # Also where the shell that started us in the background ignores Ctrl-C for its children.
        signal.signal(signal.SIGINT, signal.default_int_handler)
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
        if error is None or isinstance(error, KeyboardInterrupt | Stopped):
            shutil.rmtree(self.folder, ignore_errors=True)

    def start_anvil(self, port: int) -> Anvil:
        self.anvil = Anvil(port=port, log=self.folder / "anvil.log")
        self._processes.append(self.anvil.process)
        return self.anvil

    def start(self, name: str, arguments: list[str], settings: Mapping[str, object]) -> None:
        """Start `assay ARGUMENTS` with the given ASSAY_* settings and no others."""
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
        previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            stop_all(self._processes, STOP_SECONDS)
            self._processes.clear()
        finally:
            signal.signal(signal.SIGINT, previous)

    def _check_alive(self, what: str) -> None:
        for process in self._processes:
            if not process.running():
                raise EnvironmentMissing(
                    f"{process.name} ended with code {process.exit_code()} while the demo waited "
                    f"for {what}; the end of {process.log}:\n{process.tail()}"
                )


_ENDING = (signal.SIGTERM, signal.SIGHUP)


def _unwind(number: int, frame: FrameType | None) -> None:
    raise Stopped(f"signal {number}")
