"""Who gets a claim's data: as the job's data mode says."""

from __future__ import annotations

import json
from typing import Any

from assay.chain.audits import Audits, Place
from assay.core.boxes import seal
from assay.core.errors import InputError
from assay.core.types import AUDITOR_DATA, PUBLIC_DATA
from assay.core.wire import ClaimData, hexed


class Disclosure:
    """Public data to anybody, auditors' data to drawn auditors in a box, private data to nobody."""

    def __init__(self, audits: Audits) -> None:
        self._audits = audits

    def of(self, data: ClaimData, auditor: str | None) -> dict[str, Any]:
        """The answer to whoever asks; `auditor` says who it is, and has the key that opens it.

        Raises:
            InputError: the data is not for the one who asks.
        """
        mode = data.job.data_mode
        if mode == PUBLIC_DATA:
            return data.to_json()
        if mode != AUDITOR_DATA:
            raise _withheld("the job's data mode is private; its consumer has the data")
        if auditor is None:
            raise _withheld("the data is for auditors; ask with ?auditor=your address")
        if not self._is_drawn(data, auditor):
            raise _withheld(f"{auditor} is not drawn for this claim; ask once it is")
        box = seal(json.dumps(data.to_json()).encode(), self._audits.key_of(auditor))
        return {"sealed": hexed(box)}

    def _is_drawn(self, data: ClaimData, auditor: str) -> bool:
        """Whether a slot of the claim fell to a seat of the auditor's."""
        audits, batch_id = self._audits, data.batch_id
        for number in range(audits.round_count(), 0, -1):
            if audits.covers(number, batch_id):
                if not audits.is_drawn(number, batch_id, data.index):
                    return False
                places = (Place(number, batch_id, data.index, i) for i in range(audits.slots()))
                return any(audits.seat(audits.seat_of(p)).auditor == auditor for p in places)
        return False


def _withheld(why: str) -> InputError:
    return InputError(why, code="data_withheld", status=403)
