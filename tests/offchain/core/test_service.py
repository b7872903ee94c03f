"""The lifecycle: loops survive failures, SIGTERM drains, ports are refused with a remedy."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from assay.core.errors import ConfigError, EnvironmentMissing, NodeUnavailable
from assay.core.service import (
    HttpEndpoint,
    Loop,
    Service,
    run_loop,
    run_service,
    tls_context,
)
from assay.core.settings import ProcessSettings
from tests.support.certificates import NEEDS_OPENSSL, make_certificate

PROGRAM = """
import asyncio
from fastapi import FastAPI
from assay.core import logs
from assay.core.service import HttpEndpoint, Loop, Service, run_service

app = FastAPI()

slow_ones = []

@app.get("/slow")
async def slow():
    slow_ones.append(1)
    await asyncio.sleep(1.0)
    return {"done": True}

@app.get("/under-way")
async def under_way():
    return len(slow_ones)

class Probe(Service):
    def loops(self):
        return (Loop("tick", 0.05, lambda: None),)
    def http(self):
        return HttpEndpoint(app, "127.0.0.1", 0)
    def stop(self):
        print("stopped cleanly", flush=True)

logs.configure("probe", "json")
run_service(Probe())
"""


def test_a_loop_goes_on_after_failures() -> None:
    stopping = threading.Event()
    turns: list[int] = []

    def turn() -> None:
        turns.append(1)
        if len(turns) == 1:
            raise NodeUnavailable("nobody there")
        if len(turns) == 2:
            raise RuntimeError("a bug")
        stopping.set()

    run_loop(Loop("probe", 0.001, turn), stopping)
    assert len(turns) == 3


def test_revert_port_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        class Blocked(Service):
            def http(self) -> HttpEndpoint:
                return HttpEndpoint(None, "127.0.0.1", port)

        handlers = [(n, signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGINT)]
        try:
            with pytest.raises(EnvironmentMissing, match=str(port)):
                run_service(Blocked())
        finally:
            for number, handler in handlers:
                signal.signal(number, handler)


@pytest.fixture
def probe(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service with a slow route in a process of its own, and its URL."""
    script, log = tmp_path / "probe.py", tmp_path / "probe.log"
    script.write_text(PROGRAM)
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=output, text=True
        )
    try:
        deadline = time.monotonic() + 20
        while '"url": "' not in log.read_text():
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        yield process, log.read_text().split('"url": "')[1].split('"')[0]
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_finish(
    probe: tuple[subprocess.Popen[str], str], number: signal.Signals
) -> None:
    process, url = probe
    answers: list[httpx.Response] = []
    client = threading.Thread(target=lambda: answers.append(httpx.get(f"{url}/slow", timeout=15)))
    client.start()
    while httpx.get(f"{url}/under-way").json() == 0:
        time.sleep(0.01)
    process.send_signal(number)
    client.join()
    output, _ = process.communicate(timeout=20)
    assert answers[0].json() == {"done": True}
    assert "stopped cleanly" in output
    assert process.returncode == 0


def test_revert_half_of_tls(tmp_path: Path) -> None:
    assert ProcessSettings().tls() is None and ProcessSettings().scheme == "http"
    with pytest.raises(ConfigError, match="set ASSAY_TLS_KEY, too, or neither"):
        ProcessSettings(tls_certificate=tmp_path / "c.pem").tls()
    with pytest.raises(ConfigError, match="set ASSAY_TLS_CERTIFICATE, too, or neither"):
        ProcessSettings(tls_key=tmp_path / "k.pem").tls()


@NEEDS_OPENSSL
def test_revert_a_key_of_another_certificate(tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    one, two = map(make_certificate, folders)
    tls_context(one.certificate, one.key)
    for certificate, key in (
        (one.certificate, two.key),
        (one.certificate, tmp_path / "none"),
        (one.key, one.key),
    ):
        with pytest.raises(ConfigError, match="ASSAY_TLS_CERTIFICATE"):
            tls_context(certificate, key)
