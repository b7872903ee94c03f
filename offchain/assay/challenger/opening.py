"""Opens the game of a case, once."""

from __future__ import annotations

from assay.chain.games import Games
from assay.chain.network import Network
from assay.challenger.certainty import Case
from assay.challenger.evidence import Evidence
from assay.core import logs
from assay.core.hashes import keccak
from assay.core.types import Model


def open_case(
    network: Network, evidence: Evidence, header: Model, case: Case, address: str
) -> None:
    """Open the game, unless it is open: by an earlier run, or before a reorganisation.

    `header`: of the claim's model; `address`: the challenger.
    """
    place, data, t = case.place, case.data, case.finding.token_index
    claim = network.settlement.claim_id(place.batch_id, place.index)
    salt = game_salt(claim, address)
    game = network.game.game_id(claim, t, address, salt)
    if any(network.game.standing(game)) or network.game.convicted(claim):
        return
    evidence.keep(data)
    opened, mined = Games(network).open(
        place.batch_id, place.index, data.receipt, data.proof, data.job, header, t, salt
    )
    logs.event(
        "game_opened",
        game=opened,
        claim=claim,
        job=data.receipt.job_id,
        token=t,
        transaction=mined.hash,
        gas=mined.gas_used,
    )


def game_salt(claim: bytes, challenger: str) -> bytes:
    """The same at every start, so that a restarted challenger finds its own game."""
    return keccak(b"assay game" + claim + bytes.fromhex(challenger[2:]))
