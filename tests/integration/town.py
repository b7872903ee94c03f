"""All services as processes on an Anvil of their own, and how tests talk to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from assay.chain.anvil import Anvil
from assay.trace.commitment import ModelCommitment
from tests.integration.arena import Arena
from tests.integration.services import Running, running, wait_for

MODEL = "pydoc-4m"
PROMPT = "Return the number of"
CHEAT_INDEX = 2


@dataclass(frozen=True)
class Town:
    """Everything that runs."""

    arena: Arena
    provider: Running
    cheat: Running
    challenger: Running
    gateway: Running
    client: openai.OpenAI

    def honest(self) -> dict[str, Any]:
        return {"provider": {"only": [self.arena.address("honest provider")]}}

    def cheating(self) -> dict[str, Any]:
        return {"provider": {"only": [self.arena.address("cheating provider")]}}

    def receipt(self, receipt_id: str) -> dict[str, Any]:
        response = httpx.get(f"{self.gateway.url}/v1/receipts/{receipt_id}", timeout=10)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    def when(self, receipt_id: str, *statuses: str, seconds: float = 60) -> dict[str, Any]:
        """The receipt once it has one of these statuses."""

        def look() -> dict[str, Any] | None:
            found = self.receipt(receipt_id)
            return found if found["status"] in statuses else None

        return wait_for(look, seconds, f"status {statuses}")


def openai_error(town: Town, **request: Any) -> tuple[int, str, str | None]:
    """(status, code, param) of a refused completion."""
    with pytest.raises(openai.APIStatusError) as caught:
        town.client.completions.create(**request)
    body: Any = caught.value.body
    assert set(body) == {"message", "type", "code", "param"}
    return caught.value.status_code, str(caught.value.code), caught.value.param


@contextmanager
def found_town(commitment: ModelCommitment, folder: Path) -> Iterator[Town]:
    """Start everything; end everything."""
    cheat = f'{{"kind": "tamper", "step": "layer.1.k", "delta": 1, "index": {CHEAT_INDEX}}}'
    with Anvil() as anvil:
        arena = Arena(anvil, commitment, folder)
        arena.add_bond("honest provider", claims=100)

        def provider(role: str, **settings: object) -> Running:
            place = folder / role.replace(" ", "-")
            place.mkdir()
            command = ["provider", "serve"]
            return Running(arena, place, command, role, batch_seconds=0.3, **settings)

        def follower(name: str, command: list[str], role: str, urls: str) -> Running:
            place = folder / name
            place.mkdir()
            return Running(arena, place, command, role, provider_urls=urls)

        with running(
            lambda: provider("honest provider", max_running=4, max_waiting=4),
            lambda: provider("cheating provider", cheat=cheat),
        ) as (honest, cheating):
            urls = f"{honest.url},{cheating.url}"
            with running(
                lambda: follower("challenger", ["challenger", "run"], "challenger", urls),
                lambda: follower("gateway", ["gateway", "serve"], "consumer", urls),
            ) as (challenger, gateway):
                url = f"{gateway.url}/v1"
                with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
                    yield Town(arena, honest, cheating, challenger, gateway, client)
