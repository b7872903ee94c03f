"""Responses that are kept, so that later ones can continue them."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi.concurrency import run_in_threadpool
from sqlalchemy import BigInteger, Column, Connection, Engine, Index, Table, Text, insert, select
from sqlalchemy import delete as deletion

from assay.core.database import reading
from assay.core.errors import InputError
from assay.gateway.tables import metadata
from assay.gateway.writer import Writer

KEPT_SECONDS = 30 * 86_400
MAX_TURNS = 256
"""Of one conversation: so many responses are read to continue the last of them."""

responses = Table(
    "responses",
    metadata,
    Column("response_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("previous", Text),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("input", Text, nullable=False),
    Column("response", Text, nullable=False),
    Index("responses_by_expiry", "expires"),
)


@dataclass(frozen=True)
class Turn:
    """One response: the items that it was asked with, and its object."""

    response_id: str
    owner: str
    previous: str | None
    items: Sequence[Mapping[str, Any]]
    response: Mapping[str, Any]


class Responses:
    """By id; whoever asks for one names its owner."""

    def __init__(self, engine: Engine, writer: Writer) -> None:
        self._engine = engine
        self._writer = writer

    async def add(self, turn: Turn) -> None:
        await self._writer.write(_add, turn)

    async def get(self, response_id: str, owner: str) -> Turn:
        """InputError (404) if there is none, or it is somebody else's."""
        found = await run_in_threadpool(self._get, response_id)
        if found is None or found.owner != owner:
            raise InputError(
                f"Response with id '{response_id[:80]}' not found.",
                code="response_not_found",
                status=404,
                param="response_id",
            )
        return found

    async def delete(self, response_id: str) -> None:
        await self._writer.write(_delete, response_id)

    async def history(self, response_id: str | None, owner: str) -> list[Mapping[str, Any]]:
        """All items up to a response's output, oldest first; none for no response."""
        turns: list[Turn] = []
        while response_id is not None:
            if len(turns) == MAX_TURNS:
                raise _no_history(f"the conversation has more than {MAX_TURNS} turns; begin anew")
            found = await run_in_threadpool(self._get, response_id)
            if found is None or found.owner != owner:
                raise _no_history(f"Previous response with id '{response_id[:80]}' not found.")
            turns.append(found)
            response_id = found.previous
        return [
            item for turn in reversed(turns) for item in (*turn.items, *turn.response["output"])
        ]

    def _get(self, response_id: str) -> Turn | None:
        columns = responses.c
        query = select(responses).where(
            columns.response_id == response_id, columns.expires > int(time.time())
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            return None
        items, response = json.loads(row["input"]), json.loads(row["response"])
        return Turn(row["response_id"], row["owner"], row["previous"], items, response)


def _add(connection: Connection, turns: Sequence[Turn]) -> Sequence[None]:
    """Those that have expired go at the same time."""
    now = int(time.time())
    connection.execute(deletion(responses).where(responses.c.expires <= now))
    rows = [
        {
            "response_id": turn.response_id,
            "owner": turn.owner,
            "previous": turn.previous,
            "created": now,
            "expires": now + KEPT_SECONDS,
            "input": json.dumps(turn.items),
            "response": json.dumps(turn.response),
        }
        for turn in turns
    ]
    connection.execute(insert(responses), rows)
    return [None] * len(turns)


def _delete(connection: Connection, ids: Sequence[str]) -> Sequence[None]:
    connection.execute(deletion(responses).where(responses.c.response_id.in_(ids)))
    return [None] * len(ids)


def _no_history(why: str) -> InputError:
    return InputError(why, code="previous_response_not_found", param="previous_response_id")
