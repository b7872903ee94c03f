"""HTTP to providers: bounded in time and size, without redirects, and to public addresses only
where the URL is a stranger's.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from assay.core.errors import InputError, UpstreamError
from assay.gateway.routing.addresses import PublicResolver, check_public

CONNECTIONS = 1_024
IDLE_SECONDS = 4.0
"""An idle connection is closed sooner than servers close theirs, some of them after 5 s."""
MAX_LINE = 1 << 20
"""Bytes of one line of a stream: an embedding of 80,000 elements."""
MAX_ANSWER = 32_000_000
"""Bytes of a whole answer: a claim's data with a context of a million tokens."""
HEADERS = {"Accept-Encoding": "identity"}  # nothing here decompresses: no bombs


@dataclass(frozen=True)
class Timeouts:
    """Seconds.

    connect      to a provider, name resolution and TLS included
    first_token  from sending the job on; then it may go to another provider
    token        between two tokens
    total        of a job
    """

    connect: float = 5.0
    first_token: float = 30.0
    token: float = 30.0
    total: float = 600.0


class Client:
    """An async context manager: connections are kept between requests.

    Args:
        trusted: URLs of providers that are asked wherever they are; None trusts all.
    """

    def __init__(self, timeouts: Timeouts, trusted: Iterable[str] | None = None) -> None:
        self.timeouts = timeouts
        self._trusted = None if trusted is None else frozenset(trusted)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Client:
        self._own = await self._stack.enter_async_context(self._session(None))
        self._guarded = await self._stack.enter_async_context(self._session(PublicResolver()))
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._stack.aclose()

    @asynccontextmanager
    async def request(
        self, method: str, url: str, path: str, **options: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer's head, its body unread.

        Raises:
            InputError: the URL is a stranger's, and its address is not public.
            aiohttp.ClientError, TimeoutError: as they come.
        """
        session = self._own
        if self._trusted is not None and url not in self._trusted:
            check_public(url)
            session = self._guarded
        where = f"{url}{path}"
        async with session.request(method, where, allow_redirects=False, **options) as response:
            yield response

    async def get(self, url: str, path: str, seconds: float) -> dict[str, Any]:
        """A JSON object; UpstreamError whatever else comes, or if nothing does."""
        where = f"{url}{path}"
        try:
            async with asyncio.timeout(seconds), self.request("GET", url, path) as response:
                if response.status != 200:
                    raise UpstreamError(f"{where} answered {response.status}")
                answer = json.loads(await read_body(response, MAX_ANSWER))
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
            raise UpstreamError(f"{where} failed: {type(error).__name__}") from error
        except InputError as error:
            raise UpstreamError(error.message) from error
        if not isinstance(answer, dict):
            raise UpstreamError(f"{where} answered no JSON object")
        return answer

    def _session(self, resolver: PublicResolver | None) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS, resolver=resolver
        )
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.timeouts.connect)
        return aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            headers=HEADERS,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=MAX_LINE // 2,  # aiohttp's limit of a line is twice that
        )


async def read_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """The whole body; UpstreamError beyond `limit` bytes."""
    body = b""
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            raise UpstreamError(f"{response.url} answered more than {limit} bytes")
    return body
