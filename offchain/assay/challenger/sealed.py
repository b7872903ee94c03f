"""Claims' data as a drawn auditor gets it: in the open, in a box for its key, or from the chain."""

from __future__ import annotations

import json
from collections.abc import Sequence

from assay.core.boxes import unseal
from assay.core.claim_source import ClaimSource
from assay.core.errors import ProofError, UpstreamError
from assay.core.wire import parse_bytes


class SealedSource(ClaimSource):
    """Says who asks, and opens what is sealed for it.

    Args:
        address: the auditor's account.
        key: its private box key (`core.boxes`).
    """

    def __init__(self, urls: Sequence[str], address: str, key: bytes) -> None:
        super().__init__(urls)
        self._address = address
        self._key = key

    def _claim(self, url: str) -> dict[str, object]:
        value = super()._claim(f"{url}?auditor={self._address}")
        if "sealed" not in value:
            return value
        try:
            opened = json.loads(unseal(parse_bytes(value["sealed"], "sealed"), self._key))
        except (ProofError, ValueError) as error:
            raise UpstreamError(f"{url} answered a box that does not open") from error
        if not isinstance(opened, dict):
            raise UpstreamError(f"{url} sealed no JSON object")
        return opened
