"""Looks at this machine: port, public address, disk, journal."""

from __future__ import annotations

import secrets
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx

from assay.core.errors import EnvironmentMissing
from assay.core.service import HttpEndpoint, bind, tls_context
from assay.provider.doctor.checkup import Finding, Look, Subject, fail, ok, warn

CLAIM_OVERHEAD_BYTES = 4_096
"""Of a claim in the journal, its tokens not counted."""
TOKEN_BYTES = 8
"""In the journal's JSON, with its comma."""
LEAST_CLAIMS = 1_000
ENOUGH_CLAIMS = 100_000
FETCH_SECONDS = 5.0
MIB = 1 << 20


def port(subject: Subject) -> Finding:
    settings = subject.settings
    where = f"{settings.host}:{settings.port}"
    if subject.process is not None:
        return ok(f"process {subject.process} serves at {where}")
    bind(HttpEndpoint(None, settings.host, settings.port)).close()
    return ok(f"{where} is free")


def public_url(subject: Subject) -> Finding:
    """That the address given to others leads here; tried with a word that only we know."""
    settings = subject.settings
    url = settings.public_url
    if url is None:
        return warn(
            f"none: gateways are told {settings.scheme}://{settings.host}:{settings.port}",
            "set ASSAY_PUBLIC_URL if gateways and challengers are on other machines",
        )
    if subject.process is not None:
        answer = _fetched(url, "address")
        reached = answer == subject.address
    else:
        with _listening(subject) as word:
            answer = _fetched(url, "word")
            reached = answer == word
    if reached:
        return ok(f"{url} leads here")
    return fail(
        f"{url}/health does not lead here (answer: {answer})",
        "check name, firewall and forwarding: a challenger that cannot fetch data demands it on "
        "chain",
    )


def disk(subject: Subject) -> Finding:
    """Room for claims of a full context each; traces are kept in memory only."""
    folder = subject.home.folder
    free = shutil.disk_usage(_existing(folder)).free
    context = max(each.model.shape.context for each in subject.models)
    claims = free // (CLAIM_OVERHEAD_BYTES + TOKEN_BYTES * context)
    found = f"{free / MIB:,.0f} MiB free at {folder}: {claims:,} claims of a full context"
    remedy = "free space or move ASSAY_DATA_DIR: a claim that cannot be journalled is not served"
    if claims < LEAST_CLAIMS:
        return fail(found, remedy)
    return warn(found, remedy) if claims < ENOUGH_CLAIMS else ok(found)


def journal(subject: Subject) -> Finding:
    faults = subject.records.faults()
    if faults:
        return fail(
            f"{subject.home.journal}: {'; '.join(faults[:3])}",
            "restore it from a copy: what it holds defends the claims that are open",
        )
    if not subject.home.journal.exists():
        return ok("none yet")
    claims = subject.records.claims()
    opened = sum(claim.stage in ("pending", "posted") for claim in claims)
    return ok(f"{len(claims):,} claims, {opened:,} of them open; every batch gives its root")


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    return next(path for path in (folder.resolve(), *folder.resolve().parents) if path.exists())


@contextmanager
def _listening(subject: Subject) -> Iterator[str]:
    """Answer where the provider would, with a word of our own."""
    word = secrets.token_hex(16)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'{{"word": "{word}"}}'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    try:
        server = ThreadingHTTPServer((subject.settings.host, subject.settings.port), Answer)
    except OSError as error:
        raise EnvironmentMissing(f"cannot listen ({error}); free the port first") from error
    if (tls := subject.settings.tls()) is not None:
        server.socket = tls_context(*tls).wrap_socket(server.socket, server_side=True)
    with server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield word
        finally:
            server.shutdown()


def _fetched(url: str, field: str) -> str:
    """That field of the answer, or what went wrong."""
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=FETCH_SECONDS).json()
        return str(answer.get(field)) if isinstance(answer, dict) else "no JSON object"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return type(error).__name__


LOOKS = (
    Look("port", (), port),
    Look("public address", ("port", "account"), public_url),
    Look("disk", ("checkpoints",), disk),
    Look("journal", (), journal),
)
