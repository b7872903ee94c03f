"""Games: who plays, whose turn it is, how they end."""

from __future__ import annotations

from typing import Any

from assay.chain.dispute import Outcome
from assay.chain.game_view import as_struct
from assay.chain.record import GameRecord, Record
from assay.core.game import Phase
from assay.indexer import schema
from assay.indexer.folds.base import Happening
from assay.indexer.folds.claims import claim_of


def opened(it: Happening) -> None:
    """After the `Standing` of the same call."""
    batch_id = it.hex("batch_id")
    row = it.rows.get(schema.games, it.hex("game_id"))
    row |= dict(
        claim_id=it.hex("claim_id"),
        batch_id=batch_id,
        position=it["index"],
        token_index=it["token_index"],
        challenger=it["challenger"],
        provider=it["provider"],
        job_id=it.hex("job_id"),
        opened_at=it.time,
        **it.place,
    )
    claim = claim_of(it, batch_id, it["index"])
    claim["games"] += 1
    claim["job_id"] = it.hex("job_id")
    it.provider(it["provider"])["games"] += 1
    it.totals["games"] += 1
    it.totals["games_open"] += 1


def stands(it: Happening) -> None:
    """Left by every move, the opening and the last one among them."""
    row = it.rows.get(schema.games, it.hex("game_id"))
    record = GameRecord.of(as_struct(Record, it["record"]), row["challenger"])
    row["phase"] = Phase(record.phase).name.lower()
    row["deadline"] = record.deadline
    row["moves"] += 1
    row["moved_at"] = it.time


def resolved(it: Happening) -> None:
    outcome = Outcome(it["outcome"])
    row = _over(it, outcome)
    row["winner"], row["reason"] = it["winner"], it["reason"]
    won = "games_won" if outcome is Outcome.PROVIDER_WON else "games_lost"
    it.provider(row["provider"])[won] += 1


def closed(it: Happening) -> None:
    _over(it, Outcome.CLOSED)["reason"] = "another game convicted the claim"


def _over(it: Happening, outcome: Outcome) -> dict[str, Any]:
    row = it.rows.get(schema.games, it.hex("game_id"))
    row["outcome"], row["resolved_at"] = outcome.name.lower(), it.time
    row["phase"], row["deadline"] = Phase.RESOLVED.name.lower(), 0
    it.totals["games_open"] -= 1
    return row


FOLDS = {
    ("DisputeGame", "GameOpened"): opened,
    ("DisputeGame", "Standing"): stands,
    ("DisputeGame", "GameResolved"): resolved,
    ("DisputeGame", "GameClosed"): closed,
}
