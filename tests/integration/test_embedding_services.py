"""Embeddings bought with OpenAI's client from services that are real processes: right ones are
paid, a wrong one is convicted by a challenger that nobody attends, a false challenge is lost.
"""

from __future__ import annotations

import json
import subprocess
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from assay.chain.games import Games
from assay.challenger.solver import FixedTarget, next_move
from assay.core.game import Player
from assay.core.wire import ClaimData
from assay.engine.importer import SHIPPED_MODEL
from assay.engine.tokenizer import Tokenizer
from tests.integration.branch import PER_MINUTE, Branch
from tests.integration.curl import NEEDS_CURL, curl
from tests.integration.library import CHEAT_STEP, CONTEXT, MODEL, WIDTH, Library, found_library
from tests.integration.services import Running, running, wait_for

TEXT = "Return the number of items"
UNIT = 2.0**24
DECODER = SHIPPED_MODEL.name


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with found_library(tmp_path_factory.mktemp("library")) as founded:
        yield founded


def ids(answer: Any) -> list[str]:
    return [item.model_extra["assay"]["receipt_id"] for item in answer.data]


def test_the_life_of_an_embedding(library: Library) -> None:
    answer = library.client.embeddings.create(model=MODEL, input=TEXT, extra_body=library.honest())
    tokens = library.tokenizer.encode(TEXT)
    row = library.embedded(tokens)
    assert [value * UNIT for value in answer.data[0].embedding] == row
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (len(tokens), len(tokens))
    (receipt_id,) = ids(answer)
    found = library.when(receipt_id, "posted")
    assert (found["output"], found["prompt"]) == (row, tokens)
    assert (found["receipt"]["output_tokens"], found["job"]["price_output"]) == (1, 0)
    price = -(-len(tokens) * found["job"]["price_input"] // 10**6)
    assert found["receipt"]["price"] == price > 0

    wait_for(lambda: logged(library, "claim_right", receipt_id), 30, "the audit")
    network, provider = library.arena.network, library.arena.address("honest provider")
    paid = network.ledger.earnings_of(provider)
    library.arena.pass_time(found["claim"]["challenge_until"])
    library.when(receipt_id, "finalised")
    fee = -(-price * network.ledger.fee_bps() // 10_000)
    assert network.ledger.earnings_of(provider) >= paid + price - fee


def logged(library: Library, name: str, job: str) -> dict[str, Any] | None:
    events = library.challenger.events()
    return next((e for e in events if e["event"] == name and e["job"] == job), None)


@pytest.mark.parametrize("encoding", ["float", "base64"])
@pytest.mark.parametrize(
    "given",
    [["one", "two words", "one"], [5, 6, 7], [[5, 6, 7], [9]], [f"text {i}" for i in range(12)]],
)
def test_every_form_of_input(library: Library, given: Any, encoding: Any) -> None:
    answer = library.client.embeddings.create(
        model=MODEL,
        input=given,
        encoding_format=encoding,
        dimensions=WIDTH,
        extra_body=library.honest(),
    )
    inputs = [given] if isinstance(given[0], int) else given
    tokens = [library.tokenizer.encode(i) if isinstance(i, str) else i for i in inputs]
    assert [item.index for item in answer.data] == list(range(len(inputs)))
    assert answer.usage.prompt_tokens == sum(map(len, tokens))
    assert len(set(ids(answer))) == len(inputs)
    for item, expected in zip(answer.data, tokens, strict=True):
        values: Any = item.embedding
        if encoding == "base64":
            values = np.frombuffer(b64decode(values), dtype="<f4").astype(float)
        assert [value * UNIT for value in values] == library.embedded(expected)


@NEEDS_CURL
def test_by_curl(library: Library) -> None:
    body = {"model": MODEL, "input": TEXT, **library.honest()}
    status, said = curl(f"{library.gateway.url}/v1/embeddings", body)
    (item,) = json.loads(said)["data"]
    assert (status, item["object"]) == (200, "embedding")
    row = library.embedded(library.tokenizer.encode(TEXT))
    assert [value * UNIT for value in item["embedding"]] == row


@pytest.fixture
def counter(library: Library, tmp_path: Path) -> Iterator[Branch]:
    """A gateway that asks for keys."""
    settings: dict[str, Any] = {
        "provider_urls": library.provider.url, "encoder_path": library.folder, "access": "keys",
        "requests_per_minute": PER_MINUTE, "public_url": "http://gateway.test",
    }  # fmt: skip
    command = ["gateway", "serve"]
    gateway = lambda: Running(  # noqa: E731
        library.arena, tmp_path, command, "consumer", **settings
    )
    with running(gateway) as one, ExitStack() as clients:
        yield Branch(library, one, "", clients)


def test_the_headers_say_what_is_left(library: Library, counter: Branch) -> None:
    """Of a request's last job, for each input counts; an embedding costs what was held back."""
    dollars, inputs = 1_000, [f"text {number}" for number in range(12)]
    customer = counter.customer(micro_usd=dollars)
    customer.open_channel(dollars)
    client = counter.client(customer.make_key()["key"])
    answer = client.embeddings.with_raw_response.create(model=MODEL, input=inputs)
    embedded: Any = answer.parse()
    prices = [item.model_extra["assay"]["price_micro_usd"] for item in embedded.data]
    assert int(answer.headers["x-assay-credit-remaining"]) == dollars - sum(prices) < dollars
    assert answer.headers["x-ratelimit-limit-requests"] == str(PER_MINUTE)
    left = int(answer.headers["x-ratelimit-remaining-requests"])
    assert PER_MINUTE - len(inputs) <= left < PER_MINUTE
    limit = int(answer.headers["x-ratelimit-limit-tokens"])
    assert 0 < int(answer.headers["x-ratelimit-remaining-tokens"]) < limit
    for kind in ("requests", "tokens"):
        assert answer.headers[f"x-ratelimit-reset-{kind}"].endswith("s")
    assert answer.headers["x-assay-receipt"] == ids(embedded)[0]
    assert answer.headers["x-assay-provider"] == library.arena.address("honest provider")
    assert 0 <= float(answer.headers["x-assay-overhead-ms"]) < 60_000


def test_a_prompt_that_fills_the_context(library: Library) -> None:
    tokens = [7] * CONTEXT
    answer = library.client.embeddings.create(
        model=MODEL, input=tokens, extra_body=library.honest()
    )
    assert [value * UNIT for value in answer.data[0].embedding] == library.embedded(tokens)


@pytest.mark.parametrize(
    ("change", "status", "code", "param"),
    [
        ({"input": ""}, 400, "empty_prompt", "input"),
        ({"input": []}, 400, "empty_prompt", "input"),
        ({"input": ["one", ""]}, 400, "empty_prompt", "input[1]"),
        ({"input": [[]]}, 400, "empty_prompt", "input[0]"),
        ({"input": 5}, 400, "invalid_value", "input"),
        ({"input": [5, "one"]}, 400, "invalid_value", "input[0]"),
        ({"input": [[5, -1]]}, 400, "invalid_value", "input[0]"),
        ({"input": ["x"] * 257}, 400, "invalid_value", "input"),
        ({"input": [7] * (CONTEXT + 1)}, 400, "context_length_exceeded", "input"),
        ({"input": ["fits", "long " * 100]}, 400, "context_length_exceeded", "input"),
        ({"input": [4096]}, 400, "invalid_value", "input"),
        ({"dimensions": WIDTH - 1}, 400, "unsupported_parameter", "dimensions"),
        ({"dimensions": 0}, 400, "invalid_value", "dimensions"),
        ({"encoding_format": "int8"}, 400, "invalid_value", "encoding_format"),
        ({"model": "nobody"}, 404, "model_not_found", "model"),
        ({"extra_body": {"truncate": True}}, 400, "unknown_parameter", "truncate"),
    ],
)
def test_revert_bad_requests(
    library: Library, change: dict[str, Any], status: int, code: str, param: str
) -> None:
    claims = httpx.get(f"{library.provider.url}/health", timeout=60).json()["claims"]
    with pytest.raises(openai.APIStatusError) as caught:
        library.client.embeddings.create(**{"model": MODEL, "input": TEXT, **change})
    assert (caught.value.status_code, caught.value.code, caught.value.param) == (
        status, code, param,
    )  # fmt: skip
    after = httpx.get(f"{library.provider.url}/health", timeout=60).json()["claims"]
    assert sum(after.values()) == sum(claims.values())


def test_revert_completions_of_an_encoder(library: Library) -> None:
    with pytest.raises(openai.BadRequestError, match="gives embeddings; ask for them at /v1/emb"):
        library.client.completions.create(model=MODEL, prompt=TEXT)


def test_the_models_say_what_they_give(library: Library) -> None:
    found: dict[str, Any] = {
        model.id: (model.model_extra or {})["assay"] for model in library.client.models.list()
    }
    assert (found[MODEL]["dimensions"], found[MODEL]["context_length"]) == (WIDTH, CONTEXT)
    assert found[DECODER]["dimensions"] is None
    assert (len(found[MODEL]["providers"]), len(found[DECODER]["providers"])) == (2, 1)


def test_one_provider_sells_both(library: Library) -> None:
    """Each model is read with its own tokenizer, and both claims are checked."""
    embedded = library.client.embeddings.create(
        model=MODEL, input=TEXT, extra_body=library.honest()
    )
    completed = library.client.completions.create(model=DECODER, prompt=TEXT, max_tokens=4)
    assert completed.model_extra is not None
    receipts = [*ids(embedded), completed.model_extra["assay"]["receipt_id"]]
    for receipt_id in receipts:
        library.when(receipt_id, "posted")
        wait_for(lambda job=receipt_id: logged(library, "claim_right", job), 30, "the audit")
    output = library.receipt(receipts[1])["output"]
    shipped = Tokenizer.of_checkpoint(SHIPPED_MODEL)
    assert completed.choices[0].text == shipped.decode(output)


def test_a_cheat_is_convicted_unattended(library: Library) -> None:
    network = library.arena.network
    provider = library.arena.address("cheating provider")
    bonded = network.providers.bonded(provider)
    answer = library.client.embeddings.create(
        model=MODEL, input=TEXT, extra_body=library.cheating()
    )
    right = library.embedded(library.tokenizer.encode(TEXT))
    assert [value * UNIT for value in answer.data[0].embedding] != right
    (receipt_id,) = ids(answer)
    assert verify(library, receipt_id)["reason"] == "wrong embedding"
    library.when(receipt_id, "convicted", seconds=90)
    assert network.providers.bonded(provider) == bonded - network.settlement.slash_per_claim()
    opened = wait_for(lambda: logged(library, "game_opened", receipt_id), 5, "log")
    view = Games(network).view(bytes.fromhex(opened["game"][2:]))
    assert view.reason == "element is wrong"
    assert view.state.step == library.arena.commitment.program.step_named(CHEAT_STEP)


def verify(library: Library, receipt_id: str) -> dict[str, Any]:
    """What `assay verify` says."""
    command = [sys.executable, "-m", "assay.cli.main", "verify", receipt_id, "--json"]
    command += ["--gateway", library.gateway.url, "--model", str(library.folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    said: dict[str, Any] = json.loads(result.stdout)
    assert result.returncode == (0 if said["valid"] else 1), result.stderr
    return said


def test_a_right_receipt_is_verified(library: Library) -> None:
    answer = library.client.embeddings.create(
        model=MODEL, input="verify me", extra_body=library.honest()
    )
    said = verify(library, ids(answer)[0])
    assert said["valid"] is True
    assert said["reason"] == "the embedding is the one that the model yields"


def test_a_false_challenge_is_won_unattended(library: Library) -> None:
    """The provider's own process defends a right claim against a challenger played here."""
    answer = library.client.embeddings.create(
        model=MODEL, input="Open the file", extra_body=library.honest()
    )
    found = library.when(ids(answer)[0], "posted")
    batch_id, index = found["batch"]["batch_id"], found["batch"]["index"]
    url = f"{library.provider.url}/v1/claims/{batch_id}/{index}"
    served = httpx.get(url, timeout=60).json()
    game = library.arena.open(ClaimData.parse(served), 0)
    step = library.arena.commitment.program.step_named("unit.output")
    assert play_challenger(library, game, FixedTarget(step, 0, 11)) == "PROVIDER_WON"


def play_challenger(library: Library, game: bytes, guide: FixedTarget) -> str:
    """Play this side until the game is over; the other side is a process."""

    def look() -> str | None:
        view = Games(library.arena.network).view(game)
        if view.state.turn is None:
            return view.outcome.name
        if view.state.turn is Player.CHALLENGER:
            move = next_move(view.state, guide, now=0)
            assert move is not None
            Games(library.arena.networks["challenger"]).play(view, move)
        return None

    return wait_for(look, 60, "the end of the game")
