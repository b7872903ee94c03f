"""A gateway that lies: it stands before a true one and alters what that says."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx


class Front:
    """Stands before a gateway and passes everything on; while it `lies`, outputs are altered."""

    def __init__(self, behind: str) -> None:
        self.lies = True
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._pass(httpx.get(f"{behind}{self.path}", timeout=30))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self._pass(httpx.post(f"{behind}{self.path}", content=body, timeout=30))

            def _pass(self, answer: httpx.Response) -> None:
                document = answer.json()
                if front.lies and document.get("output"):
                    document["output"][0] ^= 1
                body = json.dumps(document).encode()
                self.send_response(answer.status_code)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing on the test's screen."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Front:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
