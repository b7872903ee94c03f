"""The services as real processes, as `assay provider serve` and its like start them."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
from typer.testing import CliRunner, Result

from assay.chain.anvil import free_port
from assay.chain.process import ManagedProcess
from assay.cli.main import commands
from tests.integration.arena import Arena

READY_SECONDS = 90.0
POLL_SECONDS = 0.3

T = TypeVar("T")


class Running:
    """One service: its process, its folder, and the URL if it has one."""

    def __init__(
        self, arena: Arena, folder: Path, command: list[str], role: str, **settings: object
    ) -> None:
        self.folder = folder
        self.port = free_port()
        party = arena.parties[role]
        deployment = folder / "deployment"
        arena.deployment.save(deployment)
        given: dict[str, object] = {
            "rpc_url": arena.anvil.url,
            "deployment": deployment,
            "data_dir": folder / "data",
            "poll_seconds": POLL_SECONDS,
            "log_format": "json",
            "threads": 1,
            "hold_fire": False,
            "port": self.port,
            **party.settings(),
            **settings,
        }
        self.environment = {key: v for key, v in os.environ.items() if not key.startswith("ASSAY_")}
        self.environment |= {f"ASSAY_{key.upper()}": str(value) for key, value in given.items()}
        self._command = [sys.executable, "-m", "assay.cli.main", *command]
        self._logs: list[Path] = []
        self.start()

    @property
    def url(self) -> str:
        scheme = "https" if "ASSAY_TLS_KEY" in self.environment else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again."""
        name = "-".join(self._command[-2:])
        self._logs.append(self.folder / f"log-{len(self._logs)}.jsonl")
        self.process = ManagedProcess(name, self._command, self._logs[-1], self.environment)

    def assay(self, *words: str) -> Result:
        """Another command with this service's settings, in this process."""
        return CliRunner().invoke(commands, list(words), env=self.environment)

    def kill(self) -> None:
        """As a power cut does it."""
        os.kill(self.process.pid, 9)
        wait_for(lambda: True if not self.process.running() else None, 10, "the kill")

    def wait_ready(self) -> None:
        self.process.wait_until(lambda: "ready" in self.names(), READY_SECONDS)
        if self.names().count("ready") and not {"challenger", "auditor"} & {*self._command}:
            self.process.wait_until(self._answers, READY_SECONDS)

    def events(self) -> list[dict[str, Any]]:
        """Everything that it logged, over all starts."""
        lines = [line for log in self._logs for line in _whole_lines(log)]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def names(self) -> list[str]:
        """Names of the events since the last start."""
        lines = _whole_lines(self._logs[-1])
        return [json.loads(line)["event"] for line in lines if line.startswith("{")]

    def text(self) -> str:
        return "".join(log.read_text(errors="replace") for log in self._logs)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=2).status_code < 500
        except httpx.HTTPError:
            return False


@contextmanager
def running(*services: Callable[[], Running]) -> Iterator[list[Running]]:
    """Start services together, wait until all are ready, end them all."""
    started: list[Running] = []
    try:
        for start in services:
            started.append(start())
        for service in started:
            service.wait_ready()
        yield started
    finally:
        for service in started:
            service.process.terminate()
        for service in started:
            service.process.stop()


def wait_for(probe: Callable[[], T | None], seconds: float, what: str) -> T:
    """Poll until there is something."""
    deadline = time.monotonic() + seconds
    while (found := probe()) is None:
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.1)
    return found


def _whole_lines(log: Path) -> list[str]:
    """A log's lines without the one that may be half written."""
    return log.read_text(errors="replace").split("\n")[:-1]
