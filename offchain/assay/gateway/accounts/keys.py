"""API keys: made, shown once, kept as their hash.

A key is `sk-assay-` and 32 random bytes in base64. Its SHA-256 is what the database has: a key
has too much entropy to be guessed from it, and too much to be tried.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from hashlib import sha256

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import Connection, Engine, bindparam, insert, select

from assay.core.database import reading
from assay.core.errors import InputError
from assay.gateway.accounts.books import check_valid
from assay.gateway.accounts.caller import invalid_key
from assay.gateway.accounts.page import Key, Page, insert_absent
from assay.gateway.tables import accounts, keys
from assay.gateway.writer import Writer

PREFIX = "sk-assay-"
SHOWN = len(PREFIX) + 6
"""Characters of a key that are kept for display."""
MAX_KEYS = 1_000
"""Keys of one owner, revoked ones included."""
CACHE_SECONDS = 5.0
CACHE_SIZE = 10_000

Change = Callable[[Key], Key]


class Keys:
    """The keys of all owners.

    Whether a key is valid is decided in the transaction that admits a job. What is looked up here
    before keeps for some seconds, so that a request of a known key reads nothing.
    """

    def __init__(self, engine: Engine, writer: Writer, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._writer = writer
        self._clock = clock
        self._known: dict[bytes, tuple[float, Key]] = {}

    async def find(self, text: str) -> Key:
        """The valid key of this text; InputError (401) if there is none."""
        digest = hashed(text)
        now = self._clock()
        read_at, key = self._known.get(digest, (0.0, None))
        if key is None or now - read_at > CACHE_SECONDS:
            key = await run_in_threadpool(self._read, digest)
            if len(self._known) >= CACHE_SIZE:
                self._known.clear()
            self._known[digest] = (now, key)
        check_valid(key, now)
        return key

    def _read(self, digest: bytes) -> Key:
        with reading(self._engine) as connection:
            row = connection.execute(_FIND, {"hash": digest}).mappings().first()
        if row is None or not hmac.compare_digest(row["hash"], digest):
            raise invalid_key("the API key does not exist")
        return Key(**dict(row))

    async def create(
        self, owner: str, label: str, expires: int | None, daily_cap: int | None
    ) -> tuple[Key, str]:
        """A new key and its text, which is nowhere else."""
        text, key = new_key(owner, label, int(self._clock()))
        key = replace(key, expires=expires, daily_cap=daily_cap)
        return await self._writer.write(_create, key), text

    async def list(self, owner: str) -> Sequence[Key]:
        """An owner's keys, oldest first."""

        def read() -> Sequence[Key]:
            with reading(self._engine) as connection:
                return [
                    Key(**dict(row)) for row in connection.execute(_LIST, {"o": owner}).mappings()
                ]

        return await run_in_threadpool(read)

    async def change(self, owner: str, key_id: str, change: Change) -> Key:
        """Change a key of the owner; InputError (404) if it is somebody else's."""
        key = await self._writer.write(_change, (owner, key_id, change))
        self._known.pop(key.hash, None)
        return key

    async def rotate(self, owner: str, key_id: str) -> tuple[Key, str]:
        """Another text for a key; the old one ends at once."""
        text, fresh = new_key(owner, "", 0)

        def renew(key: Key) -> Key:
            check_valid(key, self._clock())
            return replace(key, hash=fresh.hash, prefix=fresh.prefix)

        self._known.clear()
        return await self.change(owner, key_id, renew), text


def new_key(owner: str, label: str, created: int) -> tuple[str, Key]:
    """The text of a key, and what is kept of it."""
    text = PREFIX + secrets.token_urlsafe(32)
    key_id = f"key_{secrets.token_hex(12)}"
    return text, Key(key_id, hashed(text), text[:SHOWN], owner, label, created)


def hashed(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


_FIND = select(keys).where(keys.c.hash == bindparam("hash"))
_LIST = select(keys).where(keys.c.owner == bindparam("o")).order_by(keys.c.created, keys.c.key_id)


def open_account(connection: Connection, owner: str) -> None:
    """The row that every owner of anything has."""
    insert_absent(connection, accounts, [{"owner": owner, "prepaid": 0, "prepaid_reserved": 0}])


def _create(connection: Connection, added: Sequence[Key]) -> list[Key | InputError]:
    for owner in sorted({key.owner for key in added}):
        open_account(connection, owner)
    Page(connection, {key.owner for key in added})  # its locks make the count of keys exact
    return [_create_one(connection, key) for key in added]


def _create_one(connection: Connection, key: Key) -> Key | InputError:
    if len(connection.execute(_LIST, {"o": key.owner}).all()) >= MAX_KEYS:
        return InputError(
            f"{key.owner} has {MAX_KEYS} keys, the most there may be: rotate one", code="too_many"
        )
    connection.execute(insert(keys), [asdict(key)])
    return key


def _change(
    connection: Connection, changes: Sequence[tuple[str, str, Change]]
) -> list[Key | InputError]:
    owners, key_ids = {owner for owner, _, _ in changes}, {key_id for _, key_id, _ in changes}
    page = Page(connection, owners, key_ids=key_ids)
    found: list[Key | InputError] = []
    for owner, key_id, change in changes:
        key = page.keys.get(key_id)
        try:
            if key is None or key.owner != owner:
                raise key_not_found(key_id)
            vars(key).update(vars(change(key)))
            found.append(replace(key))
        except InputError as refusal:
            found.append(refusal)
    page.write()
    return found


def key_not_found(key_id: str) -> InputError:
    return InputError(
        f"no key {key_id[:40]!r} of yours; GET /v1/keys lists them",
        code="key_not_found",
        status=404,
        param="id",
    )
