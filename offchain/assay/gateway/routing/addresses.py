"""URLs that strangers give: only public addresses are asked, whatever a name resolves to.

The check of the resolved addresses is made where the connection is made, so that a name that
changes its mind in between gains nothing.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from aiohttp import ThreadedResolver
from aiohttp.abc import AbstractResolver, ResolveResult

from assay.core.errors import InputError

MAX_URL = 256
NAT64 = ip_network("64:ff9b::/96")


def checked_url(url: str) -> str:
    """The URL in the form in which providers are known; InputError if it is none to ask."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _refused(url, "is malformed") from error
    if len(url) > MAX_URL or parts.scheme not in ("http", "https") or not host:
        raise _refused(url, f"is not http(s)://HOST of at most {MAX_URL} characters")
    if parts.username is not None or parts.query or parts.fragment:
        raise _refused(url, "has a user, a query or a fragment")
    if not url.isascii() or any(c.isspace() or not c.isprintable() for c in url) or port == 0:
        raise _refused(url, "has characters that URLs have not")
    return url.rstrip("/")


def check_public(url: str) -> None:
    """InputError if the host is written as an address that is not public. Names are checked when
    they are resolved."""
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        if _looks_numeric(host):
            raise _refused(url, "writes an address in an uncommon form") from None
        return
    if not is_public(address):
        raise _refused(url, "is an address that is not public")


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether anybody on the Internet can be meant, also by an IPv4 address within an IPv6 one."""
    if isinstance(address, IPv6Address):
        within = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            within = IPv4Address(int(address) & 0xFFFFFFFF)
        if address.teredo is not None:
            return False
        if within is not None:
            return is_public(within)
    return address.is_global and not address.is_multicast


class PublicResolver(AbstractResolver):
    """Resolves names as the system does, and gives their public addresses only."""

    def __init__(self) -> None:
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [item for item in found if is_public(ip_address(item["host"].partition("%")[0]))]
        if not public:
            raise OSError(f"{host} has no public address; a provider's URL must have one")
        return public

    async def close(self) -> None:
        await self._inner.close()


def _looks_numeric(host: str) -> bool:
    """2130706433, 0x7f.1 and the like, which resolvers read as addresses."""
    last = host.rstrip(".").rpartition(".")[2]
    return last.isdigit() or last.lower().startswith("0x")


def _refused(url: str, why: str) -> InputError:
    return InputError(
        f"the provider's URL {url[:MAX_URL]!r} {why}; it is not asked",
        code="provider_url",
        param="url",
    )
