"""Claims' data that were demanded on chain, put together from the contract's events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from assay.chain.history import history
from assay.chain.network import Network
from assay.core.types import Job, Receipt
from assay.core.wire import ClaimData


def published(network: Network, batch_id: bytes, index: int) -> ClaimData | None:
    """The claim's data, if all of them are on chain; the contract has checked them.

    There is no signature among them, and of an embedding no output: its receipt says all.
    """
    claim_id = network.settlement.claim_id(batch_id, index)
    state = network.audits.audit(claim_id)
    if not state.shown or state.published < state.prompt_tokens + state.output_tokens:
        return None
    (shown,) = _events(network, "ClaimShown", claim_id)
    pieces = _events(network, "TokensPublished", claim_id)
    sides: list[list[int]] = [[], []]
    for piece in pieces:
        sides[piece["side"]] += piece["tokens"]
    claim = shown["shown"]
    return ClaimData(
        batch_id=batch_id,
        index=index,
        job=Job(**dict(claim["job"])),
        signature=b"",
        receipt=Receipt(**dict(claim["receipt"])),
        proof=tuple(claim["proof"]),
        prompt=tuple(sides[0]),
        output=tuple(sides[1]),
        salt=pieces[0]["job_salt"],
    )


def _events(network: Network, name: str, claim_id: bytes) -> list[Mapping[str, Any]]:
    found = history(network.audits, name, network.deployment.block, claim_id=claim_id)
    return [event.args for event in found]
