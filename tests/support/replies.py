"""What servers that misbehave on purpose answer with."""

from __future__ import annotations

from contextlib import suppress
from http.server import BaseHTTPRequestHandler


class Replies(BaseHTTPRequestHandler):
    """Says nothing on the test's screen."""

    def reply(self, status: int, body: bytes, promised: int = 0) -> None:
        """Answer; `promised` bytes more are announced, and never sent."""
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("content-length", str(len(body) + promised))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass
