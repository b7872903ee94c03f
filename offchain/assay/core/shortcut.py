"""The routes that nearly all requests take, past the web framework.

Its routing, parameters, middleware and telemetry take longer than such a request's own work, and
give it nothing: these routes read their bodies themselves. The framework has them all the same,
for the API's document and for every method that is not theirs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from assay.core.errors import AssayError

Endpoint = Callable[[Request], Awaitable[Response]]
Failed = Callable[[Request, Exception], Response]


class Unwatched(StreamingResponse):
    """Read to its end whether its caller stays or not: what it says is paid for all the same.

    So nothing watches for a caller that leaves, and nothing has to be stopped then.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.stream_response(send)


class Shortcut:
    """An ASGI application around another one.

    Args:
        posts: endpoints of POST by their paths.
        refused, crashed: answer an error of ours, and any other one, which is raised again for
            the server to log.
    """

    def __init__(
        self, app: ASGIApp, posts: Mapping[str, Endpoint], refused: Failed, crashed: Failed
    ) -> None:
        self._app = app
        self._posts = posts
        self._refused = refused
        self._crashed = crashed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        posted = scope["type"] == "http" and scope["method"] == "POST"
        endpoint = self._posts.get(scope["path"]) if posted else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await endpoint(request)
        except AssayError as error:
            response = self._refused(request, error)
        except Exception as error:
            await self._crashed(request, error)(scope, receive, send)
            raise
        await response(scope, receive, send)
