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

from assay.core import logs
from assay.core.claim_source import ClaimSource
from assay.core.errors import InputError
from assay.core.wire import ClaimData


class Evidence:
    """Fetches and keeps `ClaimData`.

    Args:
        source: where it is fetched, or the URLs of the providers that are known.
        folder: one JSON file a claim.
    """

    def __init__(self, source: ClaimSource | Sequence[str], folder: Path) -> None:
        self._source = source if isinstance(source, ClaimSource) else ClaimSource(source)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def close(self) -> None:
        self._source.close()

    def get(self, provider: str, batch_id: bytes, index: int) -> ClaimData:
        """The claim's data, from disk or from its provider; UpstreamError if there is none."""
        path = self._folder / f"{batch_id.hex()}-{index}.json"
        if path.is_file():
            try:
                return ClaimData.parse(json.loads(path.read_text()))
            except (ValueError, InputError) as error:
                logs.warning("evidence_damaged", path=str(path), error=str(error))
        return self._source.fetch(provider, batch_id, index)

    def keep(self, data: ClaimData) -> None:
        """Write data that a game will need."""
        handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            json.dump(data.to_json(), file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, self._folder / f"{data.batch_id.hex()}-{data.index}.json")
