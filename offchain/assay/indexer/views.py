"""What the read API answers with: the rows of the index as JSON, amounts as decimal text.

Amounts are strings because JavaScript's numbers end at 2**53. The models follow the tables, so a
column cannot be forgotten in one place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import GenericAlias
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model
from sqlalchemy import Boolean, String, Table, Text

from assay.indexer import schema

T = TypeVar("T")
JSON_COLUMNS = ("header", "args")


class View(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(extra="forbid")


class Head(View):
    """The block that the whole answer is of."""

    block: int = Field(
        description="Newest block in the index; one before its first if there is none."
    )
    hash: str
    timestamp: int = Field(description="Unix seconds; 0 before the first block.")


class One(View, Generic[T]):
    head: Head
    data: T


class Page(View, Generic[T]):
    head: Head
    data: list[T]
    next: str | None = Field(description="Cursor of the next page; null on the last one.")


class Failure(View):
    """What is wrong with a request."""

    message: str
    type: str
    code: str
    param: str | None


class Refusal(View):
    error: Failure


class Health(View):
    """Where the index stands, and how far behind the node."""

    status: str = Field(description='"following", "behind", or "starting" before the first look.')
    block: int
    head: int
    lag_blocks: int


class Event(View):
    block: int
    log_index: int
    timestamp: int
    transaction_hash: str
    contract: str
    name: str
    args: dict[str, Any] = Field(description="Integers as decimal text, bytes as 0x-hex.")


def _view(name: str, table: Table, without: tuple[str, ...] = (), **more: Any) -> Any:
    fields: dict[str, Any] = {
        column.name: (_kind(column.type), ...)
        for column in table.columns
        if column.name not in without
    }
    return create_model(name, __base__=View, **{**fields, **more})


def _kind(column: Any) -> Any:
    if isinstance(column, schema.Amount | String | Text):
        return str
    return bool if isinstance(column, Boolean) else int


def _many(kind: Any) -> Any:
    return GenericAlias(list, (kind,))


def _some_days(name: str, *columns: str) -> Any:
    without = tuple(c.name for c in schema.days.columns if c.name not in ("day", *columns))
    return _view(name, schema.days, without)


SUPPLY = ("supply", "minted", "burned", "staked")
EMISSION = (
    *("minted", "minted_to_stakers", "minted_to_providers"),
    *("work", "used_bps", "stakers_bps"),
)
BURN = ("burned", "burned_in_auctions", "burned_by_slashes", "auctioned_usd_micro")

Model = _view("Model", schema.models, header=(dict[str, Any], ...))
Batch = _view("Batch", schema.batches)
Claim = _view("Claim", schema.claims)
Game = _view("Game", schema.games)
Provider = _view("Provider", schema.providers)
Account = _view("Account", schema.accounts)
Channel = _view("Channel", schema.channels)
Voucher = _view("Voucher", schema.vouchers)
Auction = _view("Auction", schema.auctions)
CurvePoint = _view("CurvePoint", schema.curve)
Stats = _view("Stats", schema.totals, ("id",), claims_open=(int, ...))
SupplyDay = _some_days("SupplyDay", *SUPPLY)
EmissionDay = _some_days("EmissionDay", *EMISSION)
BurnDay = _some_days("BurnDay", *BURN)
ClaimDetail = _view("ClaimDetail", schema.claims, challenges=(_many(Game), ...))
GameDetail = _view("GameDetail", schema.games, events=(_many(Event), ...))
AccountDetail = _view(
    "AccountDetail",
    schema.accounts,
    provider=(Provider | None, ...),
    channels=(_many(Channel), ...),
    vouchers=(_many(Voucher), ...),
)


def one(kind: Any) -> Any:
    """The answer about one thing."""
    return One.__class_getitem__(kind)


def page(kind: Any) -> Any:
    """The answer of a list."""
    return Page.__class_getitem__(kind)


def shown(row: Mapping[str, Any], table: Table) -> dict[str, Any]:
    """A row as its view takes it."""
    return {name: _shown(value, table, name) for name, value in row.items()}


def _shown(value: Any, table: Table, name: str) -> Any:
    if name in JSON_COLUMNS:
        return json.loads(value)
    column = table.columns.get(name)
    return str(value) if column is not None and isinstance(column.type, schema.Amount) else value
