"""A provider that misbehaves on purpose: it offers a model honestly, then fails as a test says.

silent     takes the job and says nothing
refuses    is overloaded
late       says that the job's deadline is over
garbage    answers a page of HTML
hangs up   closes the connection before the first token
truncates  gives one token, then closes the connection
stalls     gives one token, then nothing
lies       gives tokens, and a receipt that nobody signed
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.replies import Replies

WAIT_SECONDS = 20.0
REFUSALS = {"refuses": "overloaded", "late": "deadline"}
BEFORE_THE_FIRST_TOKEN = ("silent", *REFUSALS, "garbage", "hangs up")
AFTER_IT = ("truncates", "stalls", "lies")


class RoughProvider:
    """Serves on a port of its own. `health` is what it offers; `jobs` what it was sent."""

    def __init__(self, health: Mapping[str, Any], mode: str) -> None:
        self.health = dict(health)
        self.mode = mode
        self.jobs: list[dict[str, Any]] = []
        self.closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def address(self) -> str:
        return str(self.health["address"])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


def _handler(provider: RoughProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(Replies):
        def do_GET(self) -> None:
            self.reply(200, json.dumps(provider.health).encode())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            provider.jobs.append(json.loads(body))
            self.close_connection = True
            if provider.mode in REFUSALS:
                error = {"error": {"code": REFUSALS[provider.mode], "message": "not now"}}
                self.reply(503, json.dumps(error).encode())
            elif provider.mode == "garbage":
                self.reply(200, b"<html>sorry</html>")
            elif provider.mode != "hangs up":
                self._stream()

        def _stream(self) -> None:
            receipt = {"job_id": "0x" + "00" * 32, "output_root": "0x" + "00" * 32}
            receipt |= {"output_tokens": 1, "price": 0}
            lines: list[dict[str, Any]] = [{"job_id": "0x"}]
            if provider.mode in AFTER_IT:
                lines.append({"token": 5})
            if provider.mode == "lies":
                lines.append({"receipt": receipt, "signature": "0x" + "11" * 65})
            body = "".join(json.dumps(line) + "\n" for line in lines).encode()
            waits = provider.mode in ("silent", "stalls")
            self.reply(200, body, promised=100 if provider.mode != "lies" else 0)
            if waits:
                provider.closing.wait(WAIT_SECONDS)

    return Handler
