"""What many claims cost: a challenge of one out of a million, payment in bulk.

One batch of a million receipts, under a real tree of a million leaves: a game about one of them is
opened, alone and beside an open one, then sixteen are finalised in one transaction; as many of a
batch of a thousand, whose proofs are half as long.
"""

from __future__ import annotations

import random
import tempfile
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path

from assay.chain.anvil import HARDFORK, Anvil
from assay.chain.moves import read_move
from assay.chain.parameters import DEMO
from assay.chain.settlement import Finalisation
from assay.core.hashes import TAG_RECEIPT, receipt_leaf
from assay.core.merkle import row_path
from assay.core.types import SamplingParams
from assay.core.wire import ClaimData
from assay.trace.commitment import ModelCommitment
from scripts.bench.arena import PROVIDER, Arena, Played
from scripts.bench.calldata import Calldata
from scripts.bench.conditions import stderr

RECEIPTS = 1_000_000
FEWER = 1_000
PAID = 16  # claims of one `finalise_many`, the most
SLASH = DEMO.slash_per_claim // RECEIPTS
PARAMETERS = replace(DEMO, slash_per_claim=SLASH, window_seconds=600)
"""A slash so small that a million of them can be bonded; a window long enough to work in."""


def measure(commitment: ModelCommitment) -> dict[str, object]:
    """The document's part about many claims."""
    with tempfile.TemporaryDirectory() as folder, Anvil(hardfork=HARDFORK) as anvil:
        arena = Arena(anvil, commitment, Path(folder), PARAMETERS)
        _bond(arena)
        stderr.print(f"hashing {RECEIPTS:,} receipts …")
        claims = _post(arena, RECEIPTS)
        opened = [_open(arena, claims[PAID + i]) for i in range(2)]
        batch_gas = _gas_of_last_batch(arena)
        fewer = _post(arena, FEWER)
        arena.anvil.rpc("evm_increaseTime", PARAMETERS.window_seconds + 1)
        arena.anvil.rpc("evm_mine")
        paid = [_finalise(arena, batch[:PAID]) for batch in (claims, fewer)]
    return {
        "receipts": RECEIPTS,
        "post_batch_gas": batch_gas,
        "open": [{"other_open_games": i, **found} for i, found in enumerate(opened)],
        "finalise_many": paid,
    }


def _bond(arena: Arena) -> None:
    """Enough for the slash of every claim."""
    network, provider = arena.network, arena.provider
    amount = (RECEIPTS + FEWER) * SLASH
    network.assay.transfer(arena.parties[PROVIDER].address, amount)
    provider.assay.approve(provider.providers.address, amount)
    provider.providers.bond(amount)


def _post(arena: Arena, receipts: int) -> list[ClaimData]:
    """The claims that are looked at, in a batch of random others."""
    params = SamplingParams(4)
    drafts = [arena.draft([5, 6, 7 + i], [1, 2, 3, 4], params) for i in range(PAID + 2)]
    leaves: list[bytes] = [receipt_leaf(draft.receipt) for draft in drafts]
    draw = random.Random(1)
    rest = receipts - len(drafts)
    leaves += [sha256(TAG_RECEIPT + draw.randbytes(128)).digest() for _ in range(rest)]
    return arena.post(drafts, leaves)


def _open(arena: Arena, claim: ClaimData) -> dict[str, object]:
    played = Played("", "")
    arena.open(played, claim, 0)
    (move,) = played.moves
    return {"gas": move["gas"], "proof_levels": len(claim.proof)}


def _gas_of_last_batch(arena: Arena) -> int:
    posted = [e for e in arena.network.reader().poll().added if e.name == "BatchPosted"]
    return read_move(arena.network, posted[-1].transaction).gas


def _finalise(arena: Arena, claims: list[ClaimData]) -> dict[str, object]:
    """By the provider, of claims whose consumer has paid in advance and has no daily credit."""
    items = [Finalisation(claim.receipt, claim.job, claim.signature) for claim in claims]
    first, last = claims[0], claims[-1]
    path = row_path(first.index, last.index, first.proof, last.proof)
    mined = arena.provider.settlement.finalise_many(first.batch_id, first.index, items, path)
    sent = arena.network.web3.eth.get_transaction(mined.hash)  # type: ignore[arg-type]
    return {
        "claims": len(items),
        "proof_levels": len(claims[0].proof),
        "proof_nodes": len(path),
        "gas": mined.gas_used,
        "gas_per_claim": round(mined.gas_used / len(items)),
        **asdict(Calldata.of(bytes(sent["input"]))),
    }
