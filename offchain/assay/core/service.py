"""The lifecycle that all services share: set up, run, drain, stop.

A service is an HTTP application, some background loops, or both. SIGTERM and SIGINT end it
in order: no new requests, requests under way finish, loops end their current turn, files close.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from assay.core import logs
from assay.core.errors import AssayError, ConfigError, EnvironmentMissing

if TYPE_CHECKING:
    import uvicorn

SWITCH_SECONDS = 0.0005
"""How long a thread that computes or commits waits, each time it comes back from C, for one that
runs Python: the event loop's turns are shorter than the interpreter's own 5 ms."""
BACKLOG = 2048
KEEP_ALIVE_SECONDS = 75
"""Longer than most clients keep idle connections: a request must not meet the closing of its
own."""
DRAIN_SECONDS = 20.0
BACKOFF_LIMIT_SECONDS = 30.0


@dataclass(frozen=True)
class Loop:
    """A background task: `turn` is called every `seconds` until the service stops.

    A turn that raises is logged and tried again later, so that an unreachable node stops
    nothing; the pause doubles with every failure in a row, up to half a minute.
    """

    name: str
    seconds: float
    turn: Callable[[], None]


@dataclass(frozen=True)
class HttpEndpoint:
    """An ASGI application and where it listens. `tls`: certificate and key, PEM files."""

    app: Any
    host: str
    port: int
    tls: tuple[Path, Path] | None = None


class Service:
    """Base of the services.

    Attributes:
        name: shown in logs.
        stopping: set once the service is asked to end; long work looks at it.
    """

    name = "service"

    def __init__(self) -> None:
        self.stopping = threading.Event()

    def setup(self) -> None:
        """Open what the service needs; raises before anything is served."""

    def loops(self) -> Sequence[Loop]:
        return ()

    def http(self) -> HttpEndpoint | None:
        return None

    def stop(self) -> None:
        """Close what `setup` opened; called once, after all loops have ended."""


def run_service(service: Service) -> None:
    """Run a service in the main thread until it is told to end."""
    _on_signals(service.stopping)
    sys.setswitchinterval(SWITCH_SECONDS)
    service.setup()
    threads = [_start(loop, service.stopping) for loop in service.loops()]
    try:
        endpoint = service.http()
        if endpoint is None:
            service.stopping.wait()
        else:
            _serve(endpoint, service.stopping)
    finally:
        service.stopping.set()
        logs.event("draining")
        for thread in threads:
            thread.join(DRAIN_SECONDS)
        service.stop()
        logs.event("stopped")


def run_loop(loop: Loop, stopping: threading.Event) -> None:
    """Call the loop's turn until `stopping` is set."""
    failures = 0
    while not stopping.is_set():
        try:
            loop.turn()
            failures = 0
        except AssayError as error:
            failures += 1
            logs.warning("loop_failed", loop=loop.name, code=error.code, error=error.message)
        except Exception:
            # The last line of defence: an unattended service goes on with its other work.
            failures += 1
            logs.LOGGER.exception("loop_crashed %s", loop.name)
        stopping.wait(min(loop.seconds * 2**failures, max(loop.seconds, BACKOFF_LIMIT_SECONDS)))


def _start(loop: Loop, stopping: threading.Event) -> threading.Thread:
    thread = threading.Thread(target=run_loop, args=(loop, stopping), name=loop.name, daemon=True)
    thread.start()
    return thread


def _on_signals(stopping: threading.Event) -> None:
    """Handlers that only start a thread: the main thread may hold the event's lock just then."""

    def stop(number: int) -> None:
        logs.event("signal", number=number)
        stopping.set()

    def handle(number: int, frame: FrameType | None) -> None:
        threading.Thread(target=stop, args=(number,), name="signal").start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)


def _serve(endpoint: HttpEndpoint, stopping: threading.Event) -> None:
    """Serve HTTP until `stopping`; requests under way get DRAIN_SECONDS to finish."""
    server = _server(endpoint)
    listener = bind(endpoint)
    threading.Thread(target=_watch, args=(server, stopping), daemon=True).start()
    scheme = "http" if endpoint.tls is None else "https"
    logs.event("listening", url=f"{scheme}://{endpoint.host}:{listener.getsockname()[1]}")
    gc.collect()
    gc.freeze()  # what is there now stays; to look through it in each full turn takes 50 ms
    with listener:
        server.run(sockets=[listener])


def _watch(server: uvicorn.Server, stopping: threading.Event) -> None:
    stopping.wait()
    server.should_exit = True


def _server(endpoint: HttpEndpoint) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            yield  # `run_service` handles signals: uvicorn's handlers raise them again at the end

    if endpoint.tls is not None:
        tls_context(*endpoint.tls)
    certificate, key = endpoint.tls or (None, None)
    config = uvicorn.Config(
        endpoint.app,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        timeout_graceful_shutdown=int(DRAIN_SECONDS),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
    )
    return Server(config)


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's; ConfigError if the files are not a certificate and its key."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key)
    except OSError as error:
        raise ConfigError(
            f"TLS cannot use certificate {certificate} with key {key} ({error.strerror}): give PEM "
            "files that belong together (ASSAY_TLS_CERTIFICATE, ASSAY_TLS_KEY)"
        ) from error
    return context


def bind(endpoint: HttpEndpoint) -> socket.socket:
    """A socket that listens there; EnvironmentMissing if the port is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((endpoint.host, endpoint.port))
        listener.listen(BACKLOG)  # from here on a client waits instead of being refused
    except OSError as error:
        listener.close()
        raise EnvironmentMissing(
            f"cannot listen on {endpoint.host}:{endpoint.port} ({error.strerror}); "
            "stop what uses the port or choose another one (ASSAY_PORT)"
        ) from error
    return listener
