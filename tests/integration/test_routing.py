"""A gateway between several providers, some of which misbehave: who is asked, and who answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from assay.gateway.routing.breaker import FAILURES
from tests.integration.services import Running, running, wait_for
from tests.integration.town import MODEL, PROMPT, Town
from tests.support.rough_provider import (
    AFTER_IT,
    BEFORE_THE_FIRST_TOKEN,
    REFUSALS,
    RoughProvider,
)

PATIENCE = 5
"""With an honest provider too, on a busy machine."""
SETTINGS: dict[str, Any] = {"first_token_seconds": PATIENCE, "token_seconds": PATIENCE}


@dataclass(frozen=True)
class Crossroads:
    """A gateway of its own, before the town's providers and a rough one of each kind."""

    town: Town
    rough: Mapping[str, RoughProvider]
    client: openai.OpenAI

    @property
    def honest(self) -> str:
        return self.town.arena.address("honest provider")

    def ask(self, stream: bool = False, **provider: Any) -> Any:
        return self.client.completions.create(
            model=MODEL, prompt=PROMPT, max_tokens=3, temperature=0, stream=stream,
            extra_body={"provider": provider},
        )  # fmt: skip


@pytest.fixture(scope="module")
def crossroads(town: Town, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crossroads]:
    health = httpx.get(f"{town.provider.url}/health").json()
    rough = {
        mode: RoughProvider(health | {"address": f"0x{number:040d}"}, mode)
        for number, mode in enumerate((*BEFORE_THE_FIRST_TOKEN, *AFTER_IT), start=1)
    }
    urls = ",".join([*(item.url for item in rough.values()), town.provider.url, town.cheat.url])
    folder: Path = tmp_path_factory.mktemp("crossroads")
    command = ["gateway", "serve"]
    with running(
        lambda: Running(town.arena, folder, command, "consumer", provider_urls=urls, **SETTINGS)
    ) as (gateway,):
        url = f"{gateway.url}/v1"
        with openai.OpenAI(base_url=url, api_key="none", max_retries=0) as client:
            yield Crossroads(town, rough, client)
    for item in rough.values():
        item.close()


def served_by(answer: Any) -> str:
    return str(answer.model_extra["assay"]["provider"])


@pytest.mark.parametrize("mode", BEFORE_THE_FIRST_TOKEN)
def test_another_provider_answers(crossroads: Crossroads, mode: str) -> None:
    rough = crossroads.rough[mode]
    answer = crossroads.ask(order=[rough.address, crossroads.honest])
    assert served_by(answer) == crossroads.honest
    assert answer.usage.completion_tokens == 3
    assert len(rough.jobs) == 1


@pytest.mark.parametrize("mode", AFTER_IT)
def test_an_answer_that_began_is_bound_to_its_provider(crossroads: Crossroads, mode: str) -> None:
    """Whole, an error with a status; streamed, an error as the last event."""
    rough = crossroads.rough[mode]
    with pytest.raises(openai.APIStatusError) as caught:
        crossroads.ask(order=[rough.address, crossroads.honest])
    assert (caught.value.status_code, caught.value.code) == (502, "upstream")
    with pytest.raises(openai.APIError) as failed:
        list(crossroads.ask(stream=True, order=[rough.address, crossroads.honest]))
    assert failed.value.code == "upstream"
    assert len(rough.jobs) == 2


@pytest.mark.parametrize("mode", REFUSALS)
def test_without_fallbacks_the_failure_is_the_answer(crossroads: Crossroads, mode: str) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        crossroads.ask(order=[crossroads.rough[mode].address], allow_fallbacks=False)
    assert (caught.value.status_code, caught.value.code) == (503, "no_provider")
    assert caught.value.response.headers["retry-after"]


def test_who_fails_again_and_again_is_left_alone_then_tried(crossroads: Crossroads) -> None:
    rough, asks = crossroads.rough["hangs up"], 8
    order = [rough.address, crossroads.honest]
    for _ in range(asks):
        assert served_by(crossroads.ask(order=order)) == crossroads.honest
    assert FAILURES <= len(rough.jobs) < asks
    before = len(rough.jobs)

    def probed() -> bool | None:
        crossroads.ask(order=order)
        return len(rough.jobs) > before or None

    wait_for(probed, 20, "the probe")


@pytest.mark.parametrize("private", [True, False])
def test_providers_are_found_on_chain(
    town: Town, crossroads: Crossroads, tmp_path: Path, private: bool
) -> None:
    """Only the rough provider is in the settings; the honest one says where it is. At an address
    that is not public it is asked only if the settings allow that."""
    town.arena.networks["honest provider"].providers.announce(town.provider.url)
    url = crossroads.rough["refuses"].url
    settings: dict[str, Any] = {"provider_urls": url, "private_providers": private}
    command = ["gateway", "serve"]
    with running(lambda: Running(town.arena, tmp_path, command, "consumer", **settings)) as (
        gateway,
    ):

        def logged() -> bool | None:
            events = gateway.events()
            return any("not public" in str(e.get("error")) for e in events) or None

        if not private:
            wait_for(logged, 30, "the refusal to ask a private address")
        client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="none", max_retries=0)
        with client:
            providers = lambda: client.models.retrieve(MODEL).model_extra["assay"]["providers"]  # type: ignore[index]  # noqa: E731
            found = [crossroads.honest, crossroads.rough["refuses"].address]
            if private:
                wait_for(lambda: sorted(found) == providers() or None, 30, "the provider")
                only = {"provider": {"only": [crossroads.honest]}}
                answer = client.completions.create(
                    model=MODEL, prompt=PROMPT, max_tokens=2, extra_body=only
                )
                assert served_by(answer) == crossroads.honest
            else:
                assert providers() == found[1:]


def test_the_choice_follows_wishes(crossroads: Crossroads) -> None:
    cheat, honest = crossroads.town.arena.address("cheating provider"), crossroads.honest
    assert served_by(crossroads.ask(only=[cheat, honest], order=[honest])) == honest
    assert served_by(crossroads.ask(only=[cheat, honest], ignore=[cheat])) == honest
    bonded = crossroads.town.arena.network.providers.bonded(honest) // 10**18
    assert served_by(crossroads.ask(min_bond=bonded, sort="latency")) == honest
    with pytest.raises(openai.NotFoundError) as caught:
        crossroads.ask(min_bond=bonded + 1)
    assert caught.value.param == "provider.min_bond"
    with pytest.raises(openai.NotFoundError) as caught:
        crossroads.ask(max_price={"prompt": "0.00001"})
    assert caught.value.param == "provider.max_price"
