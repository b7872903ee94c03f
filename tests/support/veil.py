"""A veil before a real provider: it takes jobs, computes, posts and collects, and hides all of it.

cuts     passes an answer's first token on, then closes the connection
refuses  says that it is overloaded, once the provider has the whole answer

Of every job that somebody asks about it says that there is none; nothing while it is `away`.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx

from tests.support.replies import Replies


class Veil:
    """Serves on a port of its own; `jobs` is what it was sent, `asked` how often for one."""

    def __init__(self, provider_url: str) -> None:
        self.provider_url = provider_url
        self.mode = "cuts"
        self.away = False
        self.asked = 0
        self.jobs: list[dict[str, Any]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.05}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _handler(veil: Veil) -> type[BaseHTTPRequestHandler]:
    class Handler(Replies):
        def do_GET(self) -> None:
            if self.path != "/health":
                veil.asked += 1
                self.reply(
                    500 if veil.away else 404,
                    b'{"error": {"code": "unknown_job", "message": "no such job"}}',
                )
                return
            answer = httpx.get(f"{veil.provider_url}/health", timeout=10)
            self.reply(answer.status_code, answer.content)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            veil.jobs.append(json.loads(body))
            self.close_connection = True
            answer = httpx.post(f"{veil.provider_url}{self.path}", content=body, timeout=60)
            if veil.mode == "refuses":
                self.reply(503, b'{"error": {"code": "overloaded", "message": "not now"}}')
                return
            lines = answer.content.splitlines(keepends=True)
            end = next(number for number, line in enumerate(lines) if b'"token"' in line)
            self.reply(answer.status_code, b"".join(lines[: end + 1]), promised=100)

    return Handler
