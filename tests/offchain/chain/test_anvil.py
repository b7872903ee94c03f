"""Anvil as a child process: ports, clean stop, no orphan."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from assay.chain.anvil import Anvil, find_anvil, free_port
from assay.chain.process import ManagedProcess, stop_all
from assay.core.errors import ConfigError, EnvironmentMissing


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except OSError:
        return False
    return state != "Z"


def test_stops_and_frees_its_port() -> None:
    with Anvil() as node:
        assert node.rpc("eth_chainId") == hex(31337)
        pid, port = node.process.pid, node.port
    assert not alive(pid)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))


def test_taken_port_is_named_with_a_remedy() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(EnvironmentMissing, match=f"port {port} .* is taken.*--rpc-port"):
            Anvil(port=port)


def test_wrong_binary_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_ANVIL", "/nowhere/anvil")
    with pytest.raises(ConfigError, match="/nowhere/anvil"):
        find_anvil()


def test_failed_start_shows_the_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no such genesis'); raise SystemExit(3)"]
    process = ManagedProcess("node", command, tmp_path / "node.log")
    with pytest.raises(EnvironmentMissing, match=r"exited with code 3(.|\n)*no such genesis"):
        process.wait_until(lambda: False, 10)


def test_stop_kills_a_group_that_ignores_sigterm(tmp_path: Path) -> None:
    grandchild = (
        "import signal,time; signal.signal(15, signal.SIG_IGN);print(1, flush=True); time.sleep(99)"
    )
    parent = (
        "import signal,subprocess,sys,time; signal.signal(15, signal.SIG_IGN);"
        f"c=subprocess.Popen([sys.executable,'-c',{grandchild!r}],stdout=subprocess.PIPE);"
        "c.stdout.readline(); print(c.pid, flush=True); time.sleep(99)"
    )
    process = ManagedProcess("stubborn", [sys.executable, "-c", parent], tmp_path / "log")
    process.wait_until(lambda: process.tail() != "", 20)
    child = int(process.tail())
    assert alive(child)
    stop_all([process], seconds=0.2)
    assert not process.running()
    _wait_dead(child)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_node_ends_when_its_starter_is_killed() -> None:
    port = free_port()
    code = (
        "import time; from assay.chain.anvil import Anvil\n"
        f"node = Anvil(port={port})\nprint(node.process.pid, flush=True)\ntime.sleep(99)"
    )
    starter = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter.stdout:
        pid = int(starter.stdout.readline())
        assert alive(pid)
        os.kill(starter.pid, signal.SIGKILL)
        starter.wait()
    _wait_dead(pid)


def _wait_dead(pid: int) -> None:
    deadline = time.monotonic() + 30
    while alive(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.02)
