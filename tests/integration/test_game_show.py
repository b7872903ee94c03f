"""`assay game show` as a process: a running game, followed to its end, drawn and as documents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.chain import game_view
from assay.chain.events import Event
from assay.chain.games import Games
from assay.challenger.evidence import Evidence
from assay.core.errors import ChainError
from assay.core.game import Phase
from tests.integration.arena import Arena
from tests.integration.conftest import Shipped
from tests.integration.test_challenger import Dispute, auditor, dispute, player

STEP = "layer.1.down"


@pytest.fixture
def open_game(arena: Arena, shipped: Shipped, evidence: Evidence) -> Dispute:
    found = dispute(arena, shipped, evidence)
    auditor(arena, shipped, evidence).turn()
    return found


def show(found: Dispute, folder: Path, *options: str) -> subprocess.Popen[str]:
    deployment = folder / "deployment"
    found.arena.deployment.save(deployment)
    env = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
    env |= {
        "ASSAY_RPC_URL": found.arena.anvil.url,
        "ASSAY_DEPLOYMENT": str(deployment),
        "ASSAY_POLL_SECONDS": "0.1",
        "COLUMNS": "150",
    }
    command = [sys.executable, "-m", "assay.cli.main", "game", "show", f"0x{found.game.hex()}"]
    return subprocess.Popen(
        [*command, *options], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_follow_sees_every_state_to_the_verdict(
    open_game: Dispute, arena: Arena, shipped: Shipped, evidence: Evidence, tmp_path: Path
) -> None:
    watcher = show(open_game, tmp_path, "--follow", "--json")
    assert watcher.stdout is not None
    seen: list[dict[str, Any]] = [json.loads(watcher.stdout.readline())]
    mover = player(arena, shipped, evidence)
    try:
        open_game.play(mover.turn, until=Phase.RESOLVED)
    finally:
        mover.close()
    out, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 0, err
    seen += [json.loads(line) for line in out.splitlines()]
    first, last = seen[0], seen[-1]
    assert (first["phase"], first["turn"], len(first["moves"])) == ("answer", "provider", 1)
    assert 0 < first["seconds_left"]["provider"] <= first["seconds_left"]["challenger"] == 600
    assert (last["phase"], last["outcome"], last["turn"]) == ("resolved", "challenger_won", None)
    assert last["step_name"] == STEP
    assert last["element"] == [2, 9]
    view = open_game.view()
    assert view is not None
    transactions = list(dict.fromkeys(event.transaction for event in view.events))
    assert [move["transaction"] for move in last["moves"]] == transactions
    receipts = [arena.network.web3.eth.get_transaction_receipt(tx) for tx in transactions]  # type: ignore[arg-type]
    assert last["gas"] == sum(receipt["gasUsed"] for receipt in receipts)
    assert [level["event"] for level in last["path"]][:2] == ["Answered", "NodePicked"]
    assert last["path"][-1]["what"]


def test_the_picture(
    open_game: Dispute, arena: Arena, shipped: Shipped, evidence: Evidence, tmp_path: Path
) -> None:
    """Side to move and its clock while the game runs; the verdict, with its reason, afterwards."""
    out, err = show(open_game, tmp_path).communicate(timeout=60)
    running = {line.split()[1]: line for line in out.splitlines() if line.startswith("▶")}
    assert list(running) == ["provider"], err
    assert "answer" in running["provider"] and "━" in running["provider"]
    assert "verdict" not in out
    mover = player(arena, shipped, evidence)
    try:
        open_game.play(mover.turn, until=Phase.RESOLVED)
    finally:
        mover.close()
    out, err = show(open_game, tmp_path).communicate(timeout=60)
    assert "▶" not in out and "verdict" in out, err
    view = open_game.view()
    assert view is not None and f"challenger won: {view.reason}" in out
    assert STEP in out and "row 2, column 9" in out


def test_a_move_that_lands_while_a_game_is_read(
    open_game: Dispute, arena: Arena, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read again; a node that keeps logs back is told of."""
    read, held_back = game_view._events, ["Standing"]

    def late(*place: Any) -> list[Event]:
        held = held_back.pop() if held_back else ""
        return [event for event in read(*place) if event.name != held]

    monkeypatch.setattr(game_view, "_events", late)
    view = Games(arena.network).view(open_game.game)
    assert held_back == [] and view.state.phase is Phase.ANSWER
    held_back += ["Standing"] * game_view.READS
    with pytest.raises(ChainError, match="stands at another record than its events say"):
        Games(arena.network).view(open_game.game)


def test_unknown_game(open_game: Dispute, tmp_path: Path) -> None:
    open_game.data = replace(open_game.data, batch_id=b"\x09" * 32)
    watcher = show(open_game, tmp_path, "--json")
    out, err = watcher.communicate(timeout=60)
    assert watcher.returncode == 2
    assert json.loads(out)["error"]["code"] == "unknown_game" and "no game 0x" in err
