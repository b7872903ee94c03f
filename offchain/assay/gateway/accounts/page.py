"""The rows of some owners, locked until the transaction ends, changed here and written at once.

However many requests share a commit, loading and writing are a fixed number of statements. An
account's row is locked first, in the order of owners; all other rows of an owner change only
under that lock, so that replicas neither overspend nor block each other for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from assay.gateway.prepared import Prepared
from assay.gateway.tables import accounts, addresses, channel_days, keys


@dataclass
class Account:
    """Prepaid micro-USD, those reserved for jobs under way included; below zero, a debt."""

    owner: str
    prepaid: int
    prepaid_reserved: int

    @property
    def left(self) -> int:
        return self.prepaid - self.prepaid_reserved


@dataclass
class ChannelDay:
    """One owner's channel on one UTC day, in micro-USD.

    Attributes:
        ceiling: what the gateway can collect for the day in all.
        metered: what answers have cost; reserved: what jobs under way may cost.
        collected: what the chain has credited already.
        delegated: whether the gateway signs the vouchers; else the owner's are kept.
        voucher: the highest that the owner posted.
        returned: what was collected and not metered, given back as prepaid dollars.
        repaid: what of `metered` is no answer of the day, but paid what the owner owed.
    """

    owner: str
    day: int
    ceiling: int = 0
    metered: int = 0
    reserved: int = 0
    collected: int = 0
    delegated: bool = False
    voucher: int = 0
    voucher_signature: bytes | None = None
    returned: int = 0
    repaid: int = 0

    @property
    def left(self) -> int:
        return max(self.ceiling - self.metered - self.reserved - self.returned, 0)


@dataclass
class Key:
    """An API key with its cap and its levels; amounts in micro-USD, times in Unix seconds.

    `spent` is that of `day`; `reserved` is what its jobs under way may cost.
    """

    key_id: str
    hash: bytes
    prefix: str
    owner: str
    label: str
    created: int
    expires: int | None = None
    revoked: int | None = None
    daily_cap: int | None = None
    day: int = 0
    spent: int = 0
    reserved: int = 0
    requests_used: float = 0.0
    tokens_used: float = 0.0
    rated_at: float = 0.0


@dataclass
class Address:
    """A network address without a key."""

    address: str
    requests_used: float = 0.0
    rated_at: float = 0.0


Row = TypeVar("Row", Account, ChannelDay, Key, Address)
Rows = Account | ChannelDay | Key | Address


class Page:
    """Some owners' rows by their keys: those that exist. `write` writes what has changed.

    Rows of network addresses are made where they are missing.
    """

    def __init__(
        self,
        connection: Connection,
        owners: Iterable[str],
        days: Iterable[int] = (),
        key_ids: Iterable[str] = (),
        network: Iterable[str] = (),
    ) -> None:
        self._connection = connection
        self._loaded: dict[type[Rows], list[tuple[Rows, tuple[Any, ...]]]] = {}
        self.accounts = {one.owner: one for one in self._load(Account, owners)}
        found = self._load(ChannelDay, self.accounts, days)
        self.days = {(one.owner, one.day): one for one in found}
        self.keys = {one.key_id: one for one in self._load(Key, key_ids)}
        met = [{"address": address, **_IDLE} for address in sorted(set(network))]
        insert_absent(connection, addresses, met)
        self.addresses = {one.address: one for one in self._load(Address, network)}

    def write(self) -> None:
        """Only columns that changed: with another one SQLite would write its indexes anew."""
        for kind, rows in self._loaded.items():
            changed: dict[tuple[str, ...], list[dict[str, Any]]] = {}
            for row, before in rows:
                values = vars(row)
                names = tuple(n for n, was in zip(values, before, strict=True) if values[n] != was)
                if names:
                    changed.setdefault(names, []).append(_bound(values, names, _NAMES[kind]))
            for names, found in changed.items():
                _updating(kind, names).run(self._connection, found)

    def _load(self, kind: type[Row], *wanted: Iterable[Any]) -> list[Row]:
        given = {
            name: sorted(set(values)) for name, values in zip(_NAMES[kind], wanted, strict=True)
        }
        if not all(given.values()):
            return []
        found = _LOADS[kind].rows(self._connection, given)
        rows = [kind(*row) for row in found]
        self._loaded[kind] = list(zip(rows, found, strict=True))
        return rows


def insert_absent(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows that do not exist; how many did not."""
    if not rows:
        return 0
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing()
    statement = statement.execution_options(preserve_rowcount=True)
    return sum(connection.execute(statement, row).rowcount for row in rows)


_IDLE = {"requests_used": 0.0, "rated_at": 0.0}
_TABLES: dict[type[Rows], Table] = {
    Account: accounts,
    ChannelDay: channel_days,
    Key: keys,
    Address: addresses,
}
_NAMES: dict[type[Rows], tuple[str, ...]] = {
    Account: ("owner",),
    ChannelDay: ("owner", "day"),
    Key: ("key_id",),
    Address: ("address",),
}


def _selecting(kind: type[Rows]) -> Prepared:
    """The rows of a kind by lists of their keys, locked in the order of the first."""
    table, names = _TABLES[kind], _NAMES[kind]
    wanted = [table.c[name].in_(bindparam(name, expanding=True)) for name in names]
    columns = [table.c[field.name] for field in fields(kind)]
    return Prepared(select(*columns).where(*wanted).order_by(table.c[names[0]]).with_for_update())


def _updating(kind: type[Rows], names: tuple[str, ...]) -> Prepared:
    """Sets these columns of a row. Few sets of them change together."""
    known = _UPDATES.get((kind, names))
    if known is None:
        table = _TABLES[kind]
        values: dict[str, Any] = {name: bindparam(name) for name in names}
        same = (table.c[name] == bindparam(f"at_{name}") for name in _NAMES[kind])
        known = _UPDATES[kind, names] = Prepared(update(table).where(*same).values(values))
    return known


def _bound(row: dict[str, Any], names: Sequence[str], keys: Sequence[str]) -> dict[str, Any]:
    return {name: row[name] for name in names} | {f"at_{name}": row[name] for name in keys}


_LOADS = {kind: _selecting(kind) for kind in _TABLES}
_UPDATES: dict[tuple[type[Rows], tuple[str, ...]], Prepared] = {}
