"""Claims' public data over HTTP: every provider serves what its posted claims rest on.

Knows the form of what is served, and nothing of whether it is true.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from assay.core import logs
from assay.core.errors import InputError, UpstreamError
from assay.core.wire import ClaimData, hexed, parse_address

FETCH_SECONDS = 10.0
MAX_BYTES = 16_000_000


class ClaimSource:
    """Providers by their URLs; which address each has, they say themselves."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._urls = tuple(urls)
        self._client = httpx.Client(timeout=FETCH_SECONDS)
        self._by_address: dict[str, str] = {}

    def close(self) -> None:
        self._client.close()

    def fetch(self, provider: str, batch_id: bytes, index: int) -> ClaimData:
        """A claim's data from its provider; UpstreamError if there is none."""
        value = self._claim(f"{self._url(provider)}/v1/claims/{hexed(batch_id)}/{index}")
        try:
            data = ClaimData.parse(value)
        except InputError as error:
            raise UpstreamError(f"{provider} served malformed data: {error.message}") from error
        if (data.batch_id, data.index) != (batch_id, index):
            raise UpstreamError(f"{provider} served another claim than {hexed(batch_id)}/{index}")
        return data

    def knows(self, provider: str) -> bool:
        """Whether one of the URLs is this provider's, as far as they answer."""
        if provider not in self._by_address:
            for url in self._urls:
                self._learn(url)
        return provider in self._by_address

    def _claim(self, url: str) -> dict[str, object]:
        return self._get(url)

    def _url(self, provider: str) -> str:
        if not self.knows(provider):
            raise UpstreamError(
                f"no URL is known for provider {provider}; add it to ASSAY_PROVIDER_URLS"
            )
        return self._by_address[provider]

    def _learn(self, url: str) -> None:
        try:
            address = parse_address(self._get(f"{url}/health").get("address"), "address")
        except (UpstreamError, InputError) as error:
            logs.warning("provider_unreachable", url=url, error=error.message)
            return
        self._by_address[address] = url

    def _get(self, url: str) -> dict[str, object]:
        try:
            response = self._client.get(url)
            response.raise_for_status()
            if len(response.content) > MAX_BYTES:
                raise UpstreamError(f"{url} answered {len(response.content)} bytes")
            value = response.json()
        except (httpx.HTTPError, ValueError) as error:
            raise UpstreamError(f"{url} failed: {type(error).__name__}") from error
        if not isinstance(value, dict):
            raise UpstreamError(f"{url} answered no JSON object")
        return value
