"""Takes back a claim that its provider finds wrong, before anybody can have challenged it."""

from __future__ import annotations

from assay.chain.network import Network
from assay.chain.sender import Mined
from assay.core.errors import InputError
from assay.core.hashes import keccak
from assay.provider.journal import Journal


def withdraw(network: Network, journal: Journal, name: bytes) -> Mined:
    """Take back the claim of a job id or a claim id, for a twentieth of its slash.

    Raises:
        InputError: the journal knows no such claim on chain.
        ContractReverted: it is too late, a game is open, or the claim has ended.
    """
    batch_id, index = _place(journal, name)
    return network.settlement.withdraw_claim(batch_id, index)


def _place(journal: Journal, name: bytes) -> tuple[bytes, int]:
    """The batch and index of a claim; the journal is only read, as the service owns it."""
    entry = journal.claim(name)
    if entry is not None:
        batch = journal.batch_of(entry)
        if batch is None or not batch.posted or entry.place is None:
            raise InputError(
                f"the claim of job 0x{name.hex()} is not on chain yet; wait until its batch is "
                "posted (ASSAY_BATCH_SECONDS)"
            )
        return batch.batch_id, entry.place
    for batch in journal.open_batches():
        for index in range(batch.count):
            if _claim_id(batch.batch_id, index) == name:
                return batch.batch_id, index
    raise InputError(
        f"0x{name.hex()} is neither a job of this provider's nor an open claim; give the id that "
        "its log or the consumer's receipt names, and set ASSAY_DATA_DIR as the service has it"
    )


def _claim_id(batch_id: bytes, index: int) -> bytes:
    """As the contracts' module `claims` computes it."""
    return keccak(batch_id + index.to_bytes(32, "big"))
