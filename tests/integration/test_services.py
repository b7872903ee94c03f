"""The services as real processes on one Anvil: a claim's life, a conviction, a kill, bad input.

The chain's clock is moved where time must pass.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx

from assay.chain.games import Games
from assay.challenger.solver import FixedTarget, next_move
from assay.core.game import Player
from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE, job_id, receipt_leaf
from assay.core.merkle import root_from_path
from assay.core.signing import job_signer, receipt_signer
from assay.core.tokens import TokenList
from assay.core.types import SamplingParams
from assay.core.wire import ClaimData, parse_bytes, parse_job, parse_proof, parse_receipt
from assay.trace.export import write_model
from tests.integration.conftest import Shipped
from tests.integration.services import Running, wait_for
from tests.integration.town import CHEAT_INDEX, MODEL, PROMPT, Town, openai_error


def test_the_life_of_a_good_claim(town: Town, shipped: Shipped) -> None:
    arena, network = town.arena, town.arena.network
    provider = arena.address("honest provider")
    answer = town.client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=12, temperature=0.7, seed=7, extra_body=town.honest()
    )
    assert answer.usage is not None
    assay = answer.model_extra["assay"]  # type: ignore[index]
    found = town.when(assay["receipt_id"], "posted")

    job, receipt = parse_job(found["job"]), parse_receipt(found["receipt"])
    salt, settlement = parse_bytes(found["salt"], "salt"), found["settlement"]
    assert settlement == network.settlement.address
    assert job_id(job, found["chain_id"], settlement) == receipt.job_id
    signature = parse_bytes(found["signature"], "signature")
    assert job_signer(job, signature, 31337, settlement) == arena.address("consumer")
    signature = parse_bytes(found["receipt_signature"], "signature")
    assert receipt_signer(receipt, signature, 31337, settlement) == provider
    assert TokenList(found["prompt"], salt, PROMPT_SIDE).root == job.prompt_root
    assert TokenList(found["output"], salt, OUTPUT_SIDE).root == receipt.output_root
    batch = found["batch"]
    proof = parse_proof(batch["proof"], "proof")
    root = network.settlement.batch(parse_bytes(batch["batch_id"], "batch_id")).root
    assert root_from_path(receipt_leaf(receipt), batch["index"], proof) == root

    params = SamplingParams(12, round(65536 / 0.7), job.seed)
    assert found["output"] == list(shipped.engine.generate(found["prompt"], params))
    assert shipped.tokenizer.decode(found["output"]) == answer.choices[0].text
    assert answer.usage.completion_tokens == len(found["output"]) == receipt.output_tokens
    assert answer.usage.prompt_tokens == len(found["prompt"])
    assert receipt.price == assay["price_micro_usd"] == job.price(receipt.output_tokens)

    wait_for(lambda: _logged(town.challenger, "claim_right", found["id"]), 30, "the audit")
    paid = network.ledger.earnings_of(provider)
    arena.pass_time(found["claim"]["challenge_until"])
    town.when(assay["receipt_id"], "finalised")
    fee = -(-receipt.price * network.ledger.fee_bps() // 10_000)
    assert network.ledger.earnings_of(provider) >= paid + receipt.price - fee
    assert network.settlement.paid(job)


def test_a_cheat_is_convicted_unattended(town: Town) -> None:
    network = town.arena.network
    provider = town.arena.address("cheating provider")
    bonded = network.providers.bonded(provider)
    answer = town.client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=5, temperature=0, extra_body=town.cheating()
    )
    receipt_id = answer.model_extra["assay"]["receipt_id"]  # type: ignore[index]
    town.when(receipt_id, "convicted", seconds=90)
    assert network.providers.bonded(provider) == bonded - network.settlement.slash_per_claim()
    opened = wait_for(lambda: _logged(town.challenger, "game_opened", receipt_id), 5, "log")
    assert opened["token"] == CHEAT_INDEX
    game = opened["game"]
    resolved = wait_for(
        lambda: next(
            (
                e
                for e in town.challenger.events()
                if e["event"] == "game_resolved" and e["game"] == game
            ),
            None,
        ),
        10,
        "the end",
    )
    assert resolved["outcome"] == "challenger_won"
    moves = [e["move"] for e in town.challenger.events() if e.get("game") == game and "move" in e]
    assert moves[-1] == "PickElement"


def test_the_second_verifier_reads_what_services_hand_out(
    town: Town, shipped: Shipped, tmp_path: Path
) -> None:
    write_model(shipped.commitment, tmp_path / "model")

    def verdict(document: dict[str, Any], *options: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "claim.json").write_text(json.dumps(document))
        command = [sys.executable, "-m", "assay_verifier", "claim.json", "model", *options]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    answer = town.client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=12, temperature=0.7, extra_body=town.honest()
    )
    found = town.when(answer.model_extra["assay"]["receipt_id"], "posted")  # type: ignore[index]
    said = verdict(found, "--json")
    assert said.returncode == 0, said.stdout + said.stderr
    assert json.loads(said.stdout)["unchecked"] == json.loads(said.stdout)["unpaid"] == []

    batch, url = found["batch"], found["provider_url"]
    claim = httpx.get(f"{url}/v1/claims/{batch['batch_id']}/{batch['index']}", timeout=10).json()
    options = ["--chain-id", "31337", "--settlement", found["settlement"], "--root", batch["root"]]
    said = verdict(claim, *options)
    assert (said.returncode, len(said.stdout.splitlines())) == (0, 1), said.stdout + said.stderr

    answer = town.client.completions.create(
        model=MODEL, prompt=PROMPT, max_tokens=5, temperature=0, extra_body=town.cheating()
    )
    receipt_id = answer.model_extra["assay"]["receipt_id"]  # type: ignore[index]
    said = verdict(town.receipt(receipt_id))
    assert said.returncode == 1 and said.stdout.startswith(f"wrong at output token {CHEAT_INDEX}:")
    # Until then the challenger's process sends, from the account that the next test sends from.
    town.when(receipt_id, "convicted", seconds=90)


def test_a_false_challenge_is_won_unattended(town: Town) -> None:
    """The provider's own process defends a right claim against a challenger played here."""
    answer = town.client.completions.create(
        model=MODEL, prompt="Open the file", max_tokens=4, temperature=0, extra_body=town.honest()
    )
    found = town.when(answer.model_extra["assay"]["receipt_id"], "posted")  # type: ignore[index]
    batch_id, index = found["batch"]["batch_id"], found["batch"]["index"]
    served = httpx.get(f"{town.provider.url}/v1/claims/{batch_id}/{index}", timeout=60).json()
    data = ClaimData.parse(served)
    game = town.arena.open(data, 1)
    step = town.arena.commitment.program.step_named("layer.2.gate")
    outcome = _play_challenger(town, game, FixedTarget(step, row=2, column=5))
    assert outcome == "PROVIDER_WON"


def test_a_kill_loses_no_receipt_and_posts_none_twice(town: Town) -> None:
    network, provider = town.arena.network, town.arena.address("honest provider")
    ids = []
    for number in range(3):
        answer = town.client.completions.create(
            model=MODEL, prompt=f"{PROMPT} {number}", max_tokens=2, extra_body=town.honest()
        )
        ids.append(answer.model_extra["assay"]["receipt_id"])  # type: ignore[index]
    town.provider.kill()
    down = openai_error(town, model=MODEL, prompt=PROMPT, extra_body=town.honest())
    assert down[:2] == (503, "no_provider")
    town.provider.start()
    town.provider.wait_ready()
    for receipt_id in ids:
        town.when(receipt_id, "posted", "finalised")
    time.sleep(1.0)  # a second posting would come within a turn or two
    posted = [
        event.args["batch_id"]
        for event in network.reader().poll().added
        if event.name == "BatchPosted" and event.args["provider"] == provider
    ]
    leaves = [
        httpx.get(f"{town.provider.url}/v1/claims/0x{batch.hex()}/{index}").json()["receipt"]
        for batch in posted
        for index in range(network.settlement.batch(batch).count)
    ]
    claimed = [leaf["job_id"] for leaf in leaves]
    assert len(claimed) == len(set(claimed))
    assert set(ids) <= set(claimed)


def test_no_prompt_text_in_logs(town: Town) -> None:
    secret = "zebra crossing"
    town.client.completions.create(
        model=MODEL, prompt=secret, max_tokens=2, extra_body=town.honest()
    )
    time.sleep(1.0)
    for service in (town.provider, town.cheat, town.challenger, town.gateway):
        assert secret not in service.text()


def test_chat_streams_as_openai_does(town: Town, shipped: Shipped) -> None:
    stream = town.client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "system", "content": "Help"}, {"role": "user", "content": PROMPT}],
        max_completion_tokens=10,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
        extra_body=town.honest(),
    )
    chunks = list(stream)
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason in ("length", "stop")
    usage = chunks[-1].usage
    assert usage is not None
    assert not chunks[-1].choices
    prompt = shipped.tokenizer.encode(f"Help\n\n{PROMPT}")
    output = list(shipped.engine.generate(prompt, SamplingParams(10)))
    assert text == shipped.tokenizer.decode(output)
    assert (usage.prompt_tokens, usage.completion_tokens) == (len(prompt), len(output))
    assert chunks[-1].model_extra["assay"]["receipt_id"].startswith("0x")  # type: ignore[index]


def test_the_raw_stream_ends_with_done_and_names_its_receipt(town: Town) -> None:
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 3, "stream": True, **town.honest()}
    response = httpx.post(f"{town.gateway.url}/v1/completions", json=body, timeout=30)
    assert response.headers["content-type"].startswith("text/event-stream")
    events = [line for line in response.text.split("\n\n") if line]
    assert events[-1] == "data: [DONE]"
    receipt_id = response.headers["x-assay-receipt"]
    assert receipt_id in events[-2]
    assert town.receipt(receipt_id)["id"] == receipt_id


def test_an_answer_that_nobody_waited_for_is_claimed_and_found(town: Town) -> None:
    """The consumer hangs up after the first event; job and receipt go on without it."""
    body = {"model": MODEL, "prompt": PROMPT, "max_tokens": 30, "stream": True, **town.honest()}
    url = f"{town.gateway.url}/v1/completions"
    with httpx.stream("POST", url, json=body, timeout=60) as response:
        receipt_id = response.headers["x-assay-receipt"]
        next(response.iter_lines())
    found = town.when(receipt_id, "posted")
    assert found["receipt"]["output_tokens"] == len(found["output"]) > 0


def test_the_same_seed_gives_the_same_answer(town: Town) -> None:
    def ask(seed: int) -> str:
        answer = town.client.completions.create(
            model=MODEL, prompt=PROMPT, max_tokens=8, temperature=1.5, seed=seed,
            extra_body=town.honest(),
        )  # fmt: skip
        return answer.choices[0].text

    assert ask(5) == ask(5)
    assert len({ask(seed) for seed in range(4)}) > 1


def test_many_requests_at_once(town: Town) -> None:
    """More than run together; none is lost, and those beyond the queue get 503."""

    async def ask(client: httpx.AsyncClient, number: int) -> int:
        body = {"model": MODEL, "prompt": f"Number {number}", "max_tokens": 4, **town.honest()}
        response = await client.post(f"{town.gateway.url}/v1/completions", json=body)
        return response.status_code

    async def ask_all() -> list[int]:
        async with httpx.AsyncClient(timeout=60) as client:
            return await asyncio.gather(*(ask(client, n) for n in range(12)))

    codes = asyncio.run(ask_all())
    assert set(codes) <= {200, 503}
    assert codes.count(200) >= 4


def test_models_and_health(town: Town) -> None:
    (model,) = town.client.models.list().data
    assert model.id == MODEL
    assert town.client.models.retrieve(MODEL).id == MODEL
    health = httpx.get(f"{town.gateway.url}/health").json()
    assert health["consumer"] == town.arena.address("consumer")
    assert len(health["providers"]) == 2


def test_provider_and_challenger_are_measured(town: Town) -> None:
    """What both have sent by now, and that they read the chain."""
    for service in (town.provider, town.challenger):
        response = httpx.get(f"{service.url}/metrics", timeout=5)
        assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
        lines = [line for line in response.text.splitlines() if not line.startswith("#")]
        samples = dict(line.rsplit(" ", 1) for line in lines)
        assert int(samples["assay_head_block"]) > 0
        mined = int(samples['assay_transactions_total{result="mined"}'])
        assert mined > 0 and int(samples["assay_gas_used_total"]) > 21_000 * mined


def _logged(service: Running, name: str, job: str) -> dict[str, Any] | None:
    found = (e for e in service.events() if e["event"] == name and e.get("job") == job)
    return next(found, None)


def _play_challenger(town: Town, game: bytes, guide: Any) -> str:
    """Make the challenger's moves here until the game is over."""
    games = Games(town.arena.networks["challenger"])

    def move() -> str | None:
        view = games.view(game)
        if view.state.turn is None:
            return view.outcome.name
        if view.state.turn is Player.CHALLENGER:
            chosen = next_move(view.state, guide, now=0)
            assert chosen is not None
            games.play(view, chosen)
        return None

    return wait_for(move, 60, "the end of the game")
