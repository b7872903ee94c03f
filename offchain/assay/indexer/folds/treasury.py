"""Burn auctions."""

from __future__ import annotations

from assay.indexer import schema
from assay.indexer.folds.base import Happening


def started(it: Happening) -> None:
    it.rows.add(
        schema.auctions,
        it["number"],
        lot_usd_micro=it["lot_usd_micro"],
        start_price=it["start_price"],
        started_at=it.time,
        ends_at=it["ends_at"],
        **it.place,
    )


def taken(it: Happening) -> None:
    row = it.rows.get(schema.auctions, it["number"])
    row["sold_usd_micro"] += it["usd_micro"]
    row["burned"] += it["burned"]
    it.day["burned_in_auctions"] += it["burned"]
    it.day["auctioned_usd_micro"] += it["usd_micro"]


FOLDS = {
    ("BurnAuction", "AuctionStarted"): started,
    ("BurnAuction", "Taken"): taken,
}
