"""A day's claims, vouchers and fees from the index, each beside what the contracts say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace

from sqlalchemy import Connection, RowMapping, select

from assay.books.entries import Answer, Claim, Voucher
from assay.chain.ledger import ChannelState
from assay.chain.network import Network
from assay.chain.settlement import ClaimStatus
from assay.core.errors import ConfigError
from assay.core.vouchers import DAY_SECONDS, day_of
from assay.indexer import schema
from assay.indexer.folds.claims import claim_id
from assay.indexer.index import stand_of

AT_ONCE = 500


class PublicBooks:
    """One state of the index, beside the chain at that very block.

    Args:
        connection: of the index, in a transaction that sees one state (`core.database.reading`).
    """

    def __init__(self, connection: Connection, network: Network) -> None:
        self._connection = connection
        self._network = network
        self._stand = stand_of(connection)

    def check_reach(self, day: int) -> None:
        """ConfigError if the index has not read up to the day."""
        if day_of(self._stand.timestamp) < day:
            raise ConfigError(
                f"the index stands at block {self._stand.block}, which is before day {day}; start "
                "the indexer (`assay indexer run`) and wait until `assay indexer status` is there"
            )

    def claims(
        self, day: int, answers: Mapping[str, Answer], charged: Iterable[str], accounts: set[str]
    ) -> list[Claim]:
        """Claims of these answers and of these charged jobs, and all paid ones of these accounts
        posted on the day."""
        rates = _fee_rates(self._connection)
        rows = _rows_of(self._connection, answers, charged)
        posted = select(schema.claims).where(
            schema.claims.c.consumer.in_(accounts),
            schema.claims.c.posted_at >= day * DAY_SECONDS,
            schema.claims.c.posted_at < (day + 1) * DAY_SECONDS,
        )
        for row in self._connection.execute(posted).mappings():
            rows.setdefault(row["claim_id"], row)
        return [self._beside(_claim(row, rates)) for row in rows.values()]

    def vouchers(self, day: int, accounts: set[str]) -> list[Voucher]:
        table = schema.vouchers
        query = select(table).where(table.c.day == day, table.c.payee.in_(accounts))
        rows = self._connection.execute(query).mappings().all()
        kept = day_of(self._stand.timestamp) - day <= 1
        return [self._voucher(row, kept) for row in rows]

    def fees(self) -> tuple[int, int]:
        """What the ledger holds as fees, by the index and by itself."""
        held = self._connection.execute(select(schema.totals.c.fees_held)).scalar()
        return held or 0, int(self._network.ledger.read("fees", block=self._stand.block))

    def _beside(self, claim: Claim) -> Claim:
        batch_id = bytes.fromhex(claim.batch_id[2:])
        place = (batch_id, claim.position)
        status = self._network.settlement.read("status", *place, block=self._stand.block)
        return replace(claim, on_chain=ClaimStatus(status).name.lower())

    def _voucher(self, row: RowMapping, kept: bool) -> Voucher:
        owner, payee, told = row["owner"], row["payee"], None
        if kept:
            place, block = (owner, payee, row["day"]), self._stand.block
            state = self._network.ledger.read("channel_state", *place, block=block)
            told = ChannelState(*state).collected
        return Voucher(owner, payee, row["credit"] + row["usdc"], row["usdc"], told)


def _rows_of(
    connection: Connection, answers: Mapping[str, Answer], charged: Iterable[str]
) -> dict[str, RowMapping]:
    """Claims by their job's id where the chain has named it, or by their place."""
    table = schema.claims
    places = [claim_id(*answer.place) for answer in answers.values() if answer.place]
    found: dict[str, RowMapping] = {}
    for column, values in ((table.c.job_id, [*{*answers, *charged}]), (table.c.claim_id, places)):
        for start in range(0, len(values), AT_ONCE):
            query = select(table).where(column.in_(values[start : start + AT_ONCE]))
            found |= {row["claim_id"]: row for row in connection.execute(query).mappings()}
    return found


def _fee_rates(connection: Connection) -> list[tuple[int, int]]:
    """(time, bps) of every change of the fee, oldest first."""
    told, blocks = schema.events.c, schema.blocks.c
    query = (
        select(blocks.timestamp, told.args)
        .join_from(schema.events, schema.blocks, blocks.block == told.block)
        .where(told.contract == "CreditLedger", told.name == "FeeSet")
        .order_by(told.block, told.log_index)
    )
    return [(at, int(json.loads(args)["fee_bps"])) for at, args in connection.execute(query)]


def _claim(row: RowMapping, rates: Iterable[tuple[int, int]]) -> Claim:
    before = [(at, bps) for at, bps in rates if at <= row["ended_at"]]
    return Claim(
        claim_id=row["claim_id"],
        batch_id=row["batch_id"],
        position=row["position"],
        job_id=row["job_id"],
        consumer=row["consumer"],
        status=row["status"],
        price=row["price"],
        credit=row["credit"],
        usdc=row["usdc"],
        fee=row["fee"],
        shortfall=row["shortfall"],
        fee_bps=before[-1][1] if before else 0,
    )
