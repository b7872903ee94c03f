"""Child processes that never outlive their parent: one process group each, stopped in order.

Knows nothing of what runs in them. Used for Anvil and for the services of `assay demo`.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from assay.core.errors import EnvironmentMissing

STOP_SECONDS = 5.0

# Linux: have the kernel send SIGTERM (15) to the child when this process dies without clean-up
# (prctl's PR_SET_PDEATHSIG is 1), then become the program. A launcher rather than a
# `preexec_fn`, which is not safe in a process with threads.
LAUNCHER = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the parent died before the child began")
os.execv(sys.argv[2], sys.argv[2:])
"""


class ManagedProcess:
    """One child in a process group of its own, its output in a log file.

    Parameters: `name` for messages; `command` and `env` as for Popen; `log` is created or
    truncated. Raises EnvironmentMissing if the program cannot be started.
    """

    def __init__(
        self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        program = shutil.which(command[0])
        if program is None:
            raise EnvironmentMissing(f"cannot start {name}: {command[0]} is not executable")
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                _tied_to_this_process([program, *command[1:]]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def running(self) -> bool:
        return self._process.poll() is None

    def exit_code(self) -> int | None:
        return self._process.poll()

    def tail(self, lines: int = 15) -> str:
        """The end of its output, for error messages."""
        if not self.log.is_file():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return once `ready()`; EnvironmentMissing if it exits or stays unready too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running():
                raise EnvironmentMissing(
                    f"{self.name} exited with code {self.exit_code()} while starting; "
                    f"the end of {self.log}:\n{self.tail()}"
                )
            if time.monotonic() > deadline:
                raise EnvironmentMissing(
                    f"{self.name} was not ready after {seconds:g} s; "
                    f"the end of {self.log}:\n{self.tail()}"
                )
            time.sleep(0.05)

    def terminate(self) -> None:
        """Ask the whole group to stop; returns at once."""
        self._signal(signal.SIGTERM)

    def stop(self, seconds: float = STOP_SECONDS) -> None:
        """SIGTERM to the group, then SIGKILL to whatever is left of it."""
        self.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self._signal(signal.SIGKILL)  # grandchildren too, if any ignored SIGTERM
        self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):  # the group is gone
            os.killpg(self._process.pid, number)


def stop_all(processes: Sequence[ManagedProcess], seconds: float = STOP_SECONDS) -> None:
    """Stop many at once: all are asked first, and have so long together."""
    for process in reversed(processes):
        process.terminate()
    end = time.monotonic() + seconds
    for process in reversed(processes):
        process.stop(max(end - time.monotonic(), 0.0))


def _tied_to_this_process(command: list[str]) -> list[str]:
    if sys.platform != "linux":
        return command
    return [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid()), *command]
