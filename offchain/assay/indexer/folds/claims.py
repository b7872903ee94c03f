"""Models, bonds, batches and their claims."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from assay.chain.events import Event
from assay.core.hashes import keccak
from assay.core.wire import hexed
from assay.indexer import schema
from assay.indexer.folds.base import Happening
from assay.indexer.rows import Row

CLAIMS_AT_ONCE = 65_536
"""Claims of a batch that have rows from its posting on. Of a larger one, whoever bonds for it,
the others get theirs when something happens to them."""

ENDINGS = {
    "ClaimFinalised": "finalised",
    "ClaimConvicted": "convicted",
    "ClaimAbandoned": "abandoned",
}


def claim_id(batch_id: str, position: int) -> str:
    """As `Settlement.claim_id`: keccak256(abi_encode(batch_id, index))."""
    return hexed(keccak(bytes.fromhex(batch_id[2:]) + position.to_bytes(32, "big")))


def claims_named(events: Iterable[Event]) -> Iterator[str]:
    """Claims that something happens to in these events, but for those that begin there."""
    for event in events:
        if event.name in ENDINGS:
            yield claim_id(hexed(event.args["batch_id"]), event.args["index"])


def model_registered(it: Happening) -> None:
    header = {
        name: hexed(value) if isinstance(value, bytes) else value
        for name, value in dict(it["model"]).items()
    }
    row = it.rows.get(schema.models, it.hex("model_root"))
    row |= {"verifier": it["verifier"], "header": json.dumps(header), "registered_at": it.time}
    row |= it.place
    it.totals["models"] += 1


def reference_price_set(it: Happening) -> None:
    row = it.rows.get(schema.models, it.hex("model_root"))
    row["price_input"], row["price_output"] = it["price_input"], it["price_output"]


def bonded(it: Happening) -> None:
    it.provider(it["provider"])["bonded"] += it["amount"]
    it.totals["bonded"] += it["amount"]


def unbond_requested(it: Happening) -> None:
    row = it.provider(it["provider"])
    row["bonded"] -= it["amount"]
    row["unbonding"] += it["amount"]
    it.totals["bonded"] -= it["amount"]


def bond_withdrawn(it: Happening) -> None:
    it.provider(it["provider"])["unbonding"] -= it["amount"]


def locked(it: Happening) -> None:
    it.provider(it["provider"])["locked"] += it["amount"]


def unlocked(it: Happening) -> None:
    it.provider(it["provider"])["locked"] -= it["amount"]


def slashed(it: Happening) -> None:
    amount = it["reward"] + it["burned"]
    row = it.provider(it["provider"])
    row["locked"] -= amount
    row["bonded"] -= amount
    row["slashed"] += amount
    it.totals["bonded"] -= amount
    it.day["burned_by_slashes"] += it["burned"]


def batch_posted(it: Happening) -> None:
    batch_id, count, provider = it.hex("batch_id"), it["count"], it["provider"]
    it.rows.add(
        schema.batches,
        batch_id,
        provider=provider,
        root=it.hex("root"),
        count=count,
        nonce=it["nonce"],
        posted_at=it.time,
        challenge_until=it["challenge_until"],
        transaction_hash=it.event.transaction,
        **it.place,
    )
    for position in range(min(count, CLAIMS_AT_ONCE)):
        _new_claim(it, batch_id, position, provider, it.time, it.place)
    row = it.provider(provider)
    row["batches"] += 1
    row["claims"] += count
    row["last_batch_at"] = it.time
    it.totals["batches"] += 1
    it.totals["claims"] += count
    it.day["claims"] += count


def claim_of(it: Happening, batch_id: str, position: int) -> Row:
    """The claim's row, made now if its batch was too large."""
    found = it.rows.find(schema.claims, claim_id(batch_id, position))
    if found is not None:
        return found
    batch = it.rows.get(schema.batches, batch_id)
    place = {"block": batch["block"], "log_index": batch["log_index"]}
    return _new_claim(it, batch_id, position, batch["provider"], batch["posted_at"], place)


def _new_claim(
    it: Happening, batch_id: str, position: int, provider: str, posted_at: int, place: Row
) -> Row:
    return it.rows.add(
        schema.claims,
        claim_id(batch_id, position),
        batch_id=batch_id,
        position=position,
        provider=provider,
        posted_at=posted_at,
        **place,
    )


def claim_ended(it: Happening) -> None:
    """Finalised, convicted or abandoned: each claim ends once."""
    status = ENDINGS[it.name]
    batch_id = it.hex("batch_id")
    claim = claim_of(it, batch_id, it["index"])
    claim["status"], claim["ended_at"] = status, it.time
    it.rows.get(schema.batches, batch_id)[status] += 1
    it.provider(claim["provider"])[status] += 1
    it.totals[status] += 1
    if status == "finalised":
        claim["job_id"], claim["consumer"] = it.hex("job_id"), it["consumer"]
        claim["price"] = it["price"]
        # `Paid` comes before it, of the same transaction: how the price was paid.
        paid = it.rows.payments.pop(claim["job_id"], None)
        if paid is not None:
            claim |= paid
        it.day["finalised"] += 1
    elif status == "convicted":
        claim["convicted_by"], claim["slashed"] = it["opener"], it["slashed"]
        claim["reward"] = it["reward"]
        it.day["convicted"] += 1


FOLDS = {
    ("ModelRegistry", "ModelRegistered"): model_registered,
    ("ModelRegistry", "ReferencePriceSet"): reference_price_set,
    ("ProviderRegistry", "Bonded"): bonded,
    ("ProviderRegistry", "UnbondRequested"): unbond_requested,
    ("ProviderRegistry", "Withdrawn"): bond_withdrawn,
    ("ProviderRegistry", "Locked"): locked,
    ("ProviderRegistry", "Unlocked"): unlocked,
    ("ProviderRegistry", "Slashed"): slashed,
    ("Settlement", "BatchPosted"): batch_posted,
    ("Settlement", "ClaimFinalised"): claim_ended,
    ("Settlement", "ClaimConvicted"): claim_ended,
    ("Settlement", "ClaimAbandoned"): claim_ended,
}
