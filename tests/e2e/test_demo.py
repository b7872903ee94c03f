"""`assay demo` as a person starts it: the whole story, and nothing left behind, however it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds children in /proc")

DEMO_SECONDS = 600  # three minutes on a machine that does nothing else
ANY_PORTS = ("--port", "0", "--rpc-port", "0")


class Run:
    """A demonstration as a subprocess; a mark in the environment finds its descendants."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._mark = f"DEMO_TEST_MARK={uuid.uuid4()}"
        name, value = self._mark.split("=")
        self.out, self.err = folder / "out", folder / "err"
        with self.out.open("wb") as out, self.err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "assay.cli.main", "demo", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, name: value, "TMPDIR": str(folder)},
                start_new_session=True,
            )

    def wait(self, seconds: float) -> int:
        return self.process.wait(seconds)

    def wait_for(self, text: str, seconds: float) -> None:
        """Until the narration says something."""
        deadline = time.monotonic() + seconds
        while text not in self.narration():
            assert self.process.poll() is None, self.narration()
            assert time.monotonic() < deadline, f"never said {text!r}: {self.narration()}"
            time.sleep(0.05)

    def narration(self) -> str:
        # Read while it is written: the last character may be half there.
        return "".join(file.read_text(errors="replace") for file in (self.err, self.out))

    def alive(self) -> list[str]:
        """Command lines of all its processes that still run."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue  # ended, or somebody else's
            if self._mark.encode() in environment and command:
                found.append(command.replace(b"\0", b" ").decode())
        return found

    def assert_all_gone(self) -> None:
        deadline = time.monotonic() + 10
        while self.alive():
            assert time.monotonic() < deadline, f"left behind: {self.alive()}"
            time.sleep(0.05)

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Any]:
    """Starts demonstrations and makes sure that they end."""
    started: list[Run] = []

    def start(*arguments: str) -> Run:
        started.append(Run(tmp_path, *arguments))
        return started[-1]

    yield start
    for run in started:
        run.kill()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """One full demonstration, still running."""
    folder = tmp_path_factory.mktemp("demo")
    run = Run(folder, "The os module", "--json", "--keep", *ANY_PORTS)
    try:
        run.wait_for("Left running", DEMO_SECONDS)
        yield run
    finally:
        run.kill()


@pytest.fixture(scope="module")
def story(kept: Run) -> dict[str, Any]:
    """What it said it did."""
    document: dict[str, Any] = json.loads(kept.out.read_text())
    return document


def test_honest_answer_is_paid(story: dict[str, Any]) -> None:
    honest, settled = story["honest"], story["settled"]
    assert story["prompt"] == "The os module"
    assert honest["text"].strip()
    assert honest["output_tokens"] > 0
    assert settled["paid_micro_usd"] == honest["price_micro_usd"] > 0
    assert settled["finalisation"]["block"] > settled["batch"]["block"]


def test_lie_is_convicted_by_one_element(story: dict[str, Any]) -> None:
    game = story["game"]
    assert story["convicted"] is True
    assert game["outcome"] == "challenger_won"
    names = [move["name"] for move in game["moves"]]
    assert names[:2] == ["open", "answer"]
    assert {"reveal_step", "reveal_tile", "pick_element"} <= set(names)
    assert names[-1] == "prove_element"
    players = {move["by"] for move in game["moves"]}
    assert players == {"challenger", "cheating provider"}
    assert game["gas"] == sum(move["transaction"]["gas"] for move in game["moves"]) > 0


def test_contract_recomputed_the_element(story: dict[str, Any]) -> None:
    element = story["game"]["element"]
    assert element["opcode"] == "LINEAR"
    assert element["claimed"] == element["recomputed"] + 1
    assert element["claimed_holds"] is False
    assert element["recomputed_holds"] is True


def test_money_moved_as_it_should(story: dict[str, Any]) -> None:
    change = {
        (item["party"], item["what"]): item["after"] - item["before"] for item in story["balances"]
    }
    price = story["honest"]["price_micro_usd"]
    slash = story["slash"]
    assert slash["slashed"] == slash["reward"] + slash["burned"] > 0
    fee = story["settled"]["fee_micro_usd"]
    assert 0 < fee < price
    assert change["consumer", "prepaid"] == -price
    assert change["honest provider", "earnings"] == price - fee
    assert change["cheating provider", "earnings"] == 0
    assert change["protocol", "fees"] == fee
    assert change["honest provider", "bond"] == 0
    assert change["cheating provider", "bond"] == -slash["slashed"]
    assert change["challenger", "wallet"] == slash["reward"]
    assert change["everybody", "supply"] == -slash["burned"]


@pytest.mark.parametrize(("answer", "code"), [("honest", 0), ("lie", 1)])
def test_anyone_can_verify_an_answer(story: dict[str, Any], answer: str, code: int) -> None:
    command = [sys.executable, "-m", "assay.cli.main", "verify", story[answer]["receipt_id"]]
    command += ["--gateway", story["urls"]["gateway"], "--json"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert result.returncode == code, result.stderr
    verdict = json.loads(result.stdout)
    assert verdict["valid"] is (answer == "honest")
    if answer == "lie":
        assert verdict["reason"] == f"output token {story['game']['token_index']}: wrong token"


def test_ctrl_c_ends_a_kept_demo_and_every_process(kept: Run) -> None:
    assert len(kept.alive()) >= 6, "the demo, Anvil and four services"
    os.kill(kept.process.pid, signal.SIGINT)
    assert kept.wait(30) == 130, kept.narration()
    kept.assert_all_gone()


def test_sigterm_during_the_setting_up(runs: Any) -> None:
    run = runs("--json", *ANY_PORTS)
    run.wait_for("reading the model", 120)
    assert len(run.alive()) >= 2, "Anvil runs by now"
    os.kill(run.process.pid, signal.SIGTERM)
    assert run.wait(30) == 143, run.narration()
    run.assert_all_gone()


def test_taken_port_is_named(runs: Any) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        run = runs("--rpc-port", str(port), "--port", "0")
        assert run.wait(60) == 2
    assert f"port {port} on 127.0.0.1 is taken" in run.narration().replace("\n", " ")
    assert "--rpc-port" in run.narration()
    run.assert_all_gone()
