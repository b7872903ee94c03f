"""URLs that strangers give: none of them leads into the gateway's own network."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from assay.core.errors import InputError, UpstreamError
from assay.gateway.client import Client, Timeouts
from assay.gateway.routing.addresses import check_public, checked_url, is_public

INWARD = [
    "127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.3.4", "192.168.1.1", "169.254.169.254",
    "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "::1", "::", "fe80::1", "fd00::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
]  # fmt: skip


@pytest.mark.parametrize("address", INWARD)
def test_addresses_that_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(InputError, match="not public"):
        check_public(f"http://{host}:8101")


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_public_addresses(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "0177.0.0.1", "127.1", "10.0.1."])
def test_revert_addresses_in_uncommon_forms(host: str) -> None:
    with pytest.raises(InputError):
        check_public(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        "", "ftp://a", "a.example", "http://", "http://user@a", "http://a?x=1", "http://a#x",
        "http://a b", "http://a:99999", "http://a:0", "http://[::1", "http://" + "a" * 260,
        "http://exämple", "file:///etc/passwd", "http://a\n",
    ],
)  # fmt: skip
def test_revert_urls_that_are_none(url: str) -> None:
    with pytest.raises(InputError) as caught:
        checked_url(url)
    assert caught.value.code == "provider_url"


def test_a_url_in_its_known_form() -> None:
    assert checked_url("https://a.example:8101/") == "https://a.example:8101"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9", "http://0:9"]
)
def test_a_stranger_is_not_asked_at_home(url: str) -> None:
    """A name as well: what it resolves to is what counts."""

    async def ask() -> None:
        async with Client(Timeouts(), trusted=["http://127.0.0.1:8101"]) as client:
            await client.get(url, "/health", 2.0)

    with pytest.raises(UpstreamError) as caught:
        asyncio.run(ask())
    reasons = ("public", "uncommon", "DNSError")  # of a name: it has no address that may be asked
    assert any(reason in str(caught.value) for reason in reasons)
