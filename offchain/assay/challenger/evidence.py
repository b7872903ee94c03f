"""Where claims' data comes from: the providers' HTTP interfaces, kept on disk once fetched.

A game must be playable to its end even if the provider stops serving data after it was
challenged, and after a restart of the challenger.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx

from assay.core import logs
from assay.core.errors import InputError, UpstreamError
from assay.core.wire import ClaimData, hexed, parse_address

FETCH_SECONDS = 10.0
MAX_BYTES = 16_000_000


class Evidence:
    """Fetches and keeps `ClaimData`.

    Args:
        urls: the providers that are known; which address each has, they say themselves.
        folder: one JSON file a claim.
    """

    def __init__(self, urls: Sequence[str], folder: Path) -> None:
        self._urls = tuple(urls)
        self._folder = folder
        self._client = httpx.Client(timeout=FETCH_SECONDS)
        self._by_address: dict[str, str] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        self._client.close()

    def get(self, provider: str, batch_id: bytes, index: int) -> ClaimData:
        """The claim's data, from disk or from its provider; UpstreamError if there is none."""
        path = self._folder / f"{batch_id.hex()}-{index}.json"
        if path.is_file():
            return ClaimData.parse(json.loads(path.read_text()))
        value = self._fetch(f"{self._url(provider)}/v1/claims/{hexed(batch_id)}/{index}")
        try:
            data = ClaimData.parse(value)
        except InputError as error:
            raise UpstreamError(f"{provider} served malformed data: {error.message}") from error
        if (data.batch_id, data.index) != (batch_id, index):
            raise UpstreamError(f"{provider} served another claim than {hexed(batch_id)}/{index}")
        return data

    def keep(self, data: ClaimData) -> None:
        """Write data that a game will need."""
        handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            json.dump(data.to_json(), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._folder / f"{data.batch_id.hex()}-{data.index}.json")

    def _url(self, provider: str) -> str:
        if provider not in self._by_address:
            for url in self._urls:
                self._learn(url)
        if provider not in self._by_address:
            raise UpstreamError(
                f"no URL is known for provider {provider}; add it to ASSAY_PROVIDER_URLS"
            )
        return self._by_address[provider]

    def _learn(self, url: str) -> None:
        try:
            address = parse_address(self._fetch(f"{url}/health").get("address"), "address")
        except (UpstreamError, InputError) as error:
            logs.warning("provider_unreachable", url=url, error=error.message)
            return
        self._by_address[address] = url

    def _fetch(self, url: str) -> dict[str, object]:
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
