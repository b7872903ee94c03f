"""What the read API asks of the index; every answer is of one state of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Select, Table, and_, select

from assay.core.errors import InputError
from assay.core.wire import hexed, parse_address, parse_bytes
from assay.indexer import schema
from assay.indexer.paging import after, next_cursor
from assay.indexer.views import BURN, EMISSION, SUPPLY, shown

Found = dict[str, Any]
PLACE = ("block", "log_index")
MOST_BESIDE = 200
"""Rows of another table that the answer about one thing brings along, newest first."""


@dataclass(frozen=True)
class Listing:
    """A list: its table, the keys that order its pages, and the columns shown (none: all)."""

    table: Table
    order: tuple[str, ...]
    columns: tuple[str, ...] = ()

    def query(self) -> Select[Any]:
        columns = [self.table.c[name] for name in self.columns]
        return select(*columns) if columns else select(self.table)


@dataclass(frozen=True)
class Asked:
    """Which page: at most `limit` rows after `cursor`, of those whose columns are as `where`
    says (None: any)."""

    limit: int
    cursor: str | None
    where: Mapping[str, object | None]


MODELS = Listing(schema.models, (*PLACE, "model_root"))
PROVIDERS = Listing(schema.providers, ("bonded", "address"))
BATCHES = Listing(schema.batches, PLACE)
CLAIMS = Listing(schema.claims, (*PLACE, "position"))
GAMES = Listing(schema.games, PLACE)
STAKERS = Listing(schema.accounts, ("staked", "address"))
VOUCHERS = Listing(schema.vouchers, ("day", "owner", "payee"))
AUCTIONS = Listing(schema.auctions, ("number",))
KARAT = Listing(schema.curve, PLACE)
SERIES = {
    name: Listing(schema.days, ("day",), ("day", *columns))
    for name, columns in (("supply", SUPPLY), ("emission", EMISSION), ("burn", BURN))
}


def listed(connection: Connection, listing: Listing, asked: Asked) -> Found:
    """A page of a list, greatest keys first."""
    table = listing.table
    query = listing.query().where(*_where(table, asked.where))
    return _page(connection, query, table, listing.order, asked)


def stakers(connection: Connection, asked: Asked) -> Found:
    query = STAKERS.query().where(schema.accounts.c.staked > 0)
    return _page(connection, query, schema.accounts, STAKERS.order, asked)


def events(connection: Connection, asked: Asked, subject: str | None = None) -> Found:
    """Events, newest first; `subject` is an account or an id that they name."""
    query = _events().where(*_where(schema.events, asked.where))
    if subject is not None:
        named, stored = schema.mentions.c, schema.events.c
        same = and_(named.block == stored.block, named.log_index == stored.log_index)
        query = query.join(schema.mentions, same).where(named.subject == subject)
    return _page(connection, query, schema.events, PLACE, asked)


def stats(connection: Connection) -> Found:
    table = schema.totals
    row = connection.execute(select(table)).mappings().first()
    found = dict(row) if row else schema.blank(table)
    found.pop("id", None)
    ended = sum(found[name] for name in ("finalised", "convicted", "abandoned"))
    return {"data": shown(found, table) | {"claims_open": found["claims"] - ended}}


def provider(connection: Connection, address: str) -> Found:
    return {"data": _one(connection, schema.providers, "provider", account(address))}


def claim(connection: Connection, claim_id: str) -> Found:
    """A claim with the games about it."""
    key = identity(claim_id)
    found = _one(connection, schema.claims, "claim", key)
    return {"data": found | {"challenges": _beside(connection, GAMES, claim_id=key)}}


def game(connection: Connection, game_id: str) -> Found:
    """A game with its events."""
    key = identity(game_id)
    found = _one(connection, schema.games, "game", key)
    told = events(connection, Asked(MOST_BESIDE, None, {}), key)["data"]
    return {"data": found | {"events": told}}


def account_detail(connection: Connection, address: str) -> Found:
    """What an account holds, has promised and earned; zeros for one that was never seen."""
    key = account(address)
    table, where = schema.accounts, {"owner": key}
    row = connection.execute(select(table).where(table.c.address == key)).mappings().first()
    found = dict(row) if row else schema.blank(table) | {"address": key}
    seller = connection.execute(
        select(schema.providers).where(schema.providers.c.address == key)
    ).mappings()
    provides = seller.first()
    channels = Listing(schema.channels, PLACE)
    return {
        "data": shown(found, table)
        | {
            "provider": shown(dict(provides), schema.providers) if provides else None,
            "channels": _beside(connection, channels, **where),
            "vouchers": _beside(connection, VOUCHERS, **where),
        }
    }


def account(text: str) -> str:
    """An address as the index writes it."""
    return parse_address(text, "address")


def identity(text: str) -> str:
    """An id of 32 bytes as the index writes it."""
    return hexed(parse_bytes(text, "id", 32))


def _where(table: Table, wanted: Mapping[str, object | None]) -> list[Any]:
    return [table.c[name] == value for name, value in wanted.items() if value is not None]


def _events() -> Select[Any]:
    told, blocks = schema.events.c, schema.blocks.c
    names = ("block", "log_index", "transaction_hash", "contract", "name", "args")
    columns = [told[name] for name in names]
    return select(*columns, blocks.timestamp).join(schema.blocks, blocks.block == told.block)


def _page(
    connection: Connection, query: Select[Any], table: Table, order: Sequence[str], asked: Asked
) -> Found:
    columns = [table.c[name] for name in order]
    paged = after(query, columns, asked.cursor, asked.limit)
    rows = connection.execute(paged).mappings().all()
    data = [shown(dict(row), table) for row in rows[: asked.limit]]
    return {"data": data, "next": next_cursor(rows, columns, asked.limit)}


def _beside(connection: Connection, listing: Listing, **where: object) -> list[Found]:
    found: list[Found] = listed(connection, listing, Asked(MOST_BESIDE, None, where))["data"]
    return found


def _one(connection: Connection, table: Table, what: str, key: str) -> Found:
    (column,) = table.primary_key.columns
    row = connection.execute(select(table).where(column == key)).mappings().first()
    if row is None:
        raise InputError(f"no {what} {key} in the index", code=f"unknown_{what}", status=404)
    return shown(dict(row), table)
