"""A provider's life by its commands: init, doctor, two models, prices, earnings, status, exit."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from assay.chain.anvil import free_port
from assay.chain.process import ManagedProcess
from assay.cli.main import commands
from assay.core.hashes import PROMPT_SIDE
from assay.core.settings import ProviderSettings, load_settings
from assay.core.signing import sign_job
from assay.core.tokens import TokenList
from assay.core.types import SamplingParams
from assay.core.wire import hexed, to_json
from assay.engine.engine import Engine
from assay.engine.importer import import_checkpoint
from assay.provider.doctor import LOOKS, Check, Subject, examine
from assay.trace.commitment import Commitment, ModelCommitment
from tests.integration.arena import PRICE, Arena
from tests.integration.services import wait_for
from tests.offchain.engine.checkpoints import write_checkpoint

ROLE = "honest provider"
PARAMS = SamplingParams(5, 65536, bytes(range(32)))
PROMPT = (20, 30, 40)
OFFER_SECONDS = 3
PATIENCE_SECONDS = 180


@dataclass(frozen=True)
class Served:
    """A model of the provider's, as this process has it."""

    path: Path
    commitment: Commitment
    engine: Engine

    def answer(self) -> list[int]:
        return list(self.engine.generate(list(PROMPT), PARAMS))


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Served]:
    found = []
    for name, layers in (("first", 1), ("second", 2)):
        config = {"eos_token_id": None, "num_hidden_layers": layers}
        path = write_checkpoint(tmp_path_factory.mktemp("models") / name, config)
        model = import_checkpoint(path)
        engine = Engine(model, threads=1, backend="torch")
        found.append(Served(path, ModelCommitment(model), engine))
    return found


class Shop:
    """One provider's folder, and its commands."""

    def __init__(self, arena: Arena, models: list[Served], folder: Path) -> None:
        self.arena, self.models, self.folder = arena, models, folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = folder / "provider.toml"
        self.log = folder / "serve.jsonl"
        self.http = httpx.Client(timeout=60)
        self.env = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")},
            "ASSAY_CONFIG": str(self.config),
            "ASSAY_POLL_SECONDS": "0.2",
            "ASSAY_BATCH_SECONDS": "0.2",
            "ASSAY_THREADS": "1",
            "ASSAY_OFFER_SECONDS": str(OFFER_SECONDS),
        }

    def init(self, *options: str) -> dict[str, Any]:
        party = self.arena.parties[ROLE]
        self.arena.deployment.save(self.folder / "deployment")
        command = [
            "init", "--json", "--settings", self.config, "--rpc-url", self.arena.anvil.url,
            "--deployment", self.folder / "deployment", "--keystore", party.keystore,
            "--password-file", party.password_file, "--data-dir", self.folder / "data",
            "--port", self.port, "--price-input", PRICE, "--price-output", PRICE, *options,
        ]  # fmt: skip
        for model in self.models:
            command += ["--model", model.path]
        return self.told(*map(str, command))

    def told(self, *command: str, code: int = 0, **changes: str) -> dict[str, Any]:
        """The JSON document of `assay provider …`, run in this process."""
        result = CliRunner().invoke(commands, ["provider", *command], env={**self.env, **changes})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == code, result.output
        lines = result.stdout.splitlines()  # `exit` tells each change on a line
        document: dict[str, Any] = json.loads(lines[-1] if lines[-1] != "}" else result.stdout)
        return document

    def shown(self, *command: str) -> str:
        """What `assay provider …` prints for people."""
        result = CliRunner().invoke(commands, ["provider", *command], env=self.env)
        assert result.exit_code == 0, result.output
        return result.stdout

    def doctor(self, code: int, **changes: str) -> dict[str, str]:
        """Verdicts by name."""
        found = self.told("doctor", "--json", code=code, **changes)
        assert found["passes"] is (code == 0)
        for check in found["checks"]:
            assert check["found"]
            assert bool(check["remedy"]) or check["verdict"] in ("pass", "skip"), check
        return {check["name"]: check["verdict"] for check in found["checks"]}

    def process(self, *command: str) -> ManagedProcess:
        line = [sys.executable, "-m", "assay.cli.main", "provider", *command]
        log = self.log if command[0] == "serve" else self.folder / f"{command[0]}.jsonl"
        return ManagedProcess(command[0], line, log, self.env)

    def health(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self.http.get(f"{self.url}/health", timeout=2).json()
        except httpx.HTTPError:
            return None
        return found

    def prices(self) -> dict[str, int]:
        health = self.health()
        assert health is not None
        return {model["id"]: model["price_output"] for model in health["models"]}

    def ask(
        self, commitment: Commitment, price: int = PRICE, can_wait: bool = False
    ) -> httpx.Response:
        """A job of the consumer's, signed at a price."""
        arena, salt = self.arena, secrets.token_bytes(32)
        job = arena.job(PROMPT, PARAMS, salt, model_root=commitment.model_root, price_output=price)
        assert job.prompt_root == TokenList(PROMPT, salt, PROMPT_SIDE).root
        network, consumer = arena.network, arena.parties["consumer"].account
        signature = sign_job(consumer, job, network.chain_id, network.settlement.address)
        body = {
            "job": to_json(job), "signature": hexed(signature), "tokens": list(PROMPT),
            "salt": hexed(salt), "can_wait": can_wait,
        }  # fmt: skip
        return self.http.post(f"{self.url}/v1/jobs", json=body)

    def bought(self, commitment: Commitment, price: int = PRICE) -> list[int]:
        answer = self.ask(commitment, price)
        assert answer.status_code == 200, answer.text
        lines = [json.loads(line) for line in answer.text.splitlines()]
        assert "receipt" in lines[-1], lines[-1]
        return [line["token"] for line in lines if "token" in line]

    def refusal(self, commitment: Commitment, price: int = PRICE) -> tuple[int, str]:
        answer = self.ask(commitment, price)
        return answer.status_code, answer.json()["error"]["code"]

    def finalised(self, count: int) -> None:
        def look() -> bool | None:
            health = self.health()
            return True if health and health["claims"]["final"] == count else None

        wait_for(look, 30, "the payment")


@pytest.fixture
def shop(arena: Arena, models: list[Served], tmp_path: Path) -> Iterator[Shop]:
    for model in models:
        arena.network.models.register(model.commitment.header)
    arena.add_bond(ROLE, claims=20)
    opened = Shop(arena, models, tmp_path)
    yield opened
    opened.http.close()


def test_init_and_doctor(shop: Shop, arena: Arena) -> None:
    found = shop.init()
    assert found["new_account"] is None and found["machine"]["processors"] >= 1
    assert shop.config.stat().st_mode & 0o777 == 0o600
    password = arena.parties[ROLE].password_file.read_text().strip()
    assert password not in shop.config.read_text()

    verdicts = shop.doctor(0)
    assert verdicts.pop("public address") == "warn"
    assert verdicts.pop("disk") in ("pass", "warn")
    assert set(verdicts.values()) == {"pass"}

    failing = shop.doctor(1, ASSAY_RPC_URL=f"http://127.0.0.1:{free_port()}")
    assert failing["node"] == "fail"
    assert {failing[name] for name in ("clock", "contracts", "gas", "bond")} == {"skip"}
    assert failing["self-test"] == "pass"


def test_each_thing_that_is_wrong_fails_its_look(
    shop: Shop, arena: Arena, models: list[Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_CONFIG", str(shop.config))
    shop.init()

    def look(name: str, **changes: object) -> Check:
        """One look alone, its premises with it."""
        subject = Subject(load_settings(ProviderSettings, **changes))
        chosen = [each for each in LOOKS if each.name == name]
        (check,) = examine(subject, chosen)
        return check

    def verdict(name: str, **changes: object) -> str:
        return look(name, **changes).verdict.value

    with socket.create_server(("127.0.0.1", shop.port)):
        assert verdict("port") == "fail"
    assert verdict("public address", public_url=arena.anvil.url) == "fail"
    assert verdict("public address", public_url=shop.url) == "pass"
    stranger = arena.parties["consumer"].settings()
    assert verdict("bond", **stranger) == "fail"
    assert verdict("account", password_file=shop.config) == "fail"
    deaf = models[0].path.parent / "unregistered"
    write_checkpoint(deaf, {"eos_token_id": None, "num_hidden_layers": 3})
    unknown = look("models registered", models=[{"path": deaf}])
    assert unknown.verdict == "fail" and "assay model register" in unknown.remedy
    assert verdict("checkpoints", models=[{"path": shop.folder / "nothing"}]) == "fail"
    large = look("memory", models=[{"path": models[0].path, "cache_positions": 10**12}])
    assert large.verdict == "fail" and "GiB" in large.found
    arena.anvil.rpc("anvil_setBalance", arena.address(ROLE), hex(10**12))
    assert verdict("gas") == "fail"
    wrong = Engine.generate
    monkeypatch.setattr(Engine, "generate", lambda *given: (t ^ 1 for t in wrong(*given)))
    assert verdict("self-test") == "fail"


def test_from_the_first_job_to_the_last_token_of_bond(
    shop: Shop, arena: Arena, models: list[Served]
) -> None:
    shop.init()
    serving = shop.process("serve")
    try:
        serving.wait_until(lambda: shop.health() is not None, PATIENCE_SECONDS)
        for each in models:
            assert shop.bought(each.commitment) == each.answer()
        change_a_price(shop, models[1].commitment)
        assert shop.doctor(0)["port"] == "pass"  # beside the process that serves
        add_up(shop, serving.pid)
        shop.bought(models[1].commitment)
        wait_for(lambda: posted(shop, 1), 20, "the batch")
        looked = shop.told("exit", "--dry-run", "--json")
        assert looked["stage"] == "windows are open"
        assert shop.bought(models[0].commitment) == models[0].answer()  # nothing has changed
        wait_for(lambda: posted(shop, 2), 20, "the batch")
        left = shop.told("exit", "--no-wait", "--json")
        assert shop.refusal(models[1].commitment) == (503, "leaving")
    finally:
        serving.stop(30)
    leave(shop, models[1].commitment, max(window["until"] for window in left["windows"]))


def change_a_price(shop: Shop, second: Commitment) -> None:
    """While it serves; who signed at the old one is served still, for a while."""
    before = time.time()
    shop.told("price", "second", "--output", str(3 * PRICE), "--json")
    wait_for(lambda: True if shop.prices()["second"] == 3 * PRICE else None, 10, "the price")
    assert shop.prices() == {"first": PRICE, "second": 3 * PRICE}
    changed = time.time()
    answer = shop.ask(second)
    early = time.time() < before + OFFER_SECONDS  # on however slow a machine
    assert answer.status_code in ((200,) if early else (200, 402))
    assert shop.refusal(second, PRICE - 1) == (402, "price")
    wait_for(lambda: True if time.time() > changed + OFFER_SECONDS else None, 10, "the end")
    assert shop.refusal(second) == (402, "price")
    shop.bought(second, 3 * PRICE)
    told = shop.told("price", "second", "--batch-discount", "2500", "--json")
    assert told["second"] == {"input": PRICE, "output": 3 * PRICE, "batch_discount_bps": 2_500}
    wait_for(lambda: asked_to_wait(shop, second) == 9 * PRICE // 4 or None, 10, "the discount")
    shop.told("price", "second", "--reset", "--json")
    wait_for(lambda: True if shop.prices()["second"] == PRICE else None, 10, "the price")


def asked_to_wait(shop: Shop, commitment: Commitment) -> int:
    """What work that can wait must pay for output, as a refusal says."""
    answer = shop.ask(commitment, price=1, can_wait=True)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (402, "price")
    return int(error["message"].split()[-1])


def add_up(shop: Shop, process: int) -> None:
    """Status and earnings, before and after the windows of all that was sold."""
    arena = shop.arena
    served = shop.health()
    assert served is not None
    count = sum(served["claims"].values())
    status = wait_for(lambda: posted(shop, count), 20, "the batches")
    assert status["process"] == process
    assert sum(batch["claims"] for batch in status["batches"]) == count
    slash = arena.network.settlement.slash_per_claim()
    assert sum(batch["locks"] for batch in status["batches"]) == count * slash
    assert status["next_window"] == min(batch["until"] for batch in status["batches"])

    seen = shop.shown("status")
    assert "open batches" in seen and "window ends" in seen and "tokens/s" in seen

    before = shop.told("earnings", "--json")
    assert before["total"]["pending"] == before["total"]["claimed"] > 0
    assert before["reconciles"] and before["earned"] == 0
    assert sum(due["claims"] for due in before["due"]) == count
    arena.pass_time(max(batch["until"] for batch in status["batches"]))
    shop.finalised(count)
    after = shop.told("earnings", "--by", "model", "--ether-usd", "3000", "--json")
    total = after["total"]
    assert total["claimed"] == before["total"]["claimed"] == total["dollars"]
    assert after["earned"] == total["dollars"] - total["fees"] == after["balance"]
    assert after["balance"] == arena.network.ledger.earnings_of(arena.address(ROLE))
    assert set(after["lines"]) == {"first", "second"}
    assert "balance agree to the micro-dollar" in shop.shown("earnings")
    assert after["spent"]["gas"] > 100_000 * 2 and after["reconciles"]
    assert after["net"] == after["earned"] - after["spent"]["wei"] * 3000 * 10**6 // 10**18
    find_a_fault(shop)


def find_a_fault(shop: Shop) -> None:
    """In a copy of the journal that says one micro-dollar more than was paid."""
    copy = shop.folder / "copy"
    copy.mkdir()
    with (
        closing(sqlite3.connect(shop.folder / "data" / "provider.sqlite")) as source,
        closing(sqlite3.connect(copy / "provider.sqlite")) as target,
        target,
    ):
        source.backup(target)
        target.execute(
            "UPDATE claims SET receipt = json_set(receipt, '$.price', 1 + receipt ->> '$.price') "
            "WHERE number = 1"
        )
    found = shop.told("earnings", "--json", code=1, ASSAY_DATA_DIR=str(copy))
    assert len(found["faults"]) == 1 and found["difference"] == 0
    (check,) = examine(
        Subject(load_settings(ProviderSettings, data_dir=copy)),
        [each for each in LOOKS if each.name == "journal"],
    )
    assert check.verdict == "fail"


def leave(shop: Shop, model: Commitment, until: int) -> None:
    """Interrupted wherever something is waited for, and run again; nobody serves at first."""
    arena = shop.arena
    network, provider = arena.network, arena.address(ROLE)
    bonded, held = network.providers.bonded(provider), network.assay.balance_of(provider)
    leaving = shop.process("exit", "--json")
    try:
        wait_for(lambda: shop.health() or None, PATIENCE_SECONDS, "a provider for the last claims")
        assert shop.refusal(model) == (503, "leaving")
        arena.pass_time(until)
        leaving.wait_until(lambda: "the bond is leaving" in leaving.tail(), PATIENCE_SECONDS)
        os.kill(leaving.pid, signal.SIGKILL)
    finally:
        leaving.stop()
    assert shop.health() is None
    earned = network.usdc.balance_of(provider)
    assert earned > 0 and network.ledger.earnings_of(provider) == 0
    assert network.providers.bonded(provider) == 0

    left = shop.told("exit", "--no-wait", "--json")
    assert left["stage"] == "the bond is leaving"
    arena.pass_time(left["next_at"])
    assert shop.told("exit", "--json")["stage"] == "gone"
    assert network.assay.balance_of(provider) == held + bonded
    assert network.usdc.balance_of(provider) == earned
    assert not (shop.folder / "data" / "leaving").exists()
    books = shop.told("earnings", "--json")
    assert books["reconciles"] and (books["balance"], books["withdrawn"]) == (0, earned)


def posted(shop: Shop, count: int) -> dict[str, Any] | None:
    found = shop.told("status", "--json")
    return found if found["claims"]["posted"] == count else None
