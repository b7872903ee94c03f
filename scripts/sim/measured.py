"""Figures that are measured, from the results that lie in the repository."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from assay.core.types import TILE
from assay.exact.model import DecoderShape
from scripts.sim.shapes import hollow_program, weight_bytes

BENCH = Path(__file__).resolve().parents[1] / "bench" / "results"
LEVELS = 6  # of a tree that one reveal covers; contracts/modules/descent.vy


@dataclass(frozen=True)
class Gas:
    """Of a game: the most on each side, its first moves, and one more round of the descent."""

    provider: int
    challenger: int
    open: int
    answer: int
    reveal: int
    pick: int
    rounds: int

    @property
    def game(self) -> int:
        return self.provider + self.challenger

    def at(self, rounds: int) -> Gas:
        """Of a model whose trees take so many rounds."""
        more = max(rounds - self.rounds, 0)
        return Gas(
            self.provider + more * self.reveal,
            self.challenger + more * self.pick,
            self.open,
            self.answer,
            self.reveal,
            self.pick,
            max(rounds, self.rounds),
        )


@cache
def gas() -> Gas:
    """From `scripts/bench/dispute` on the shipped model."""
    games = _read("dispute.json")["games"]
    moves = [move for game in games for move in game["moves"]]

    def most(name: str) -> int:
        return max(int(move["gas"]) for move in moves if move["move"] == name)

    return Gas(
        provider=max(game["gas_by_player"]["provider"] for game in games),
        challenger=max(game["gas_by_player"]["challenger"] for game in games),
        open=most("open"),
        answer=most("answer"),
        reveal=most("reveal_nodes"),
        pick=most("pick_node"),
        rounds=max(sum(m["move"] == "pick_node" for m in game["moves"]) for game in games),
    )


@dataclass(frozen=True)
class UnitGas:
    """Of what happens every day: `pay` and `voucher` are of one claim and one channel in bulk."""

    post: int
    pay: int
    game: int
    voucher: int
    reward: int
    withdraw: int
    checkpoint: int
    auction: int


@cache
def unit_gas() -> UnitGas:
    """From `scripts/bench/dispute` (batches of 1,000 receipts, games at a 70B model's shape) and
    `scripts/bench/contracts`."""
    dispute, contracts = _read("dispute.json"), _read("contracts.json")
    own = {row["operation"]: int(row["assay"]) for row in contracts["own"]}
    staking = {row["operation"]: int(row["assay"]) for row in contracts["staking"]}
    auction = ("ledger: sweep fees", "auction: start", "auction: take a part")
    bulk = [row for row in contracts["vouchers"] if row["operation"] == "first of the day"]
    return UnitGas(
        post=int(dispute["bulk"]["post_batch_gas"]),
        pay=min(int(row["gas_per_claim"]) for row in dispute["bulk"]["finalise_many"]),
        game=int(dispute["most"]["70B"]["gas"]),
        voucher=int(bulk[0]["gas_per_channel"]),
        reward=own["emissions: reward a day's work"],
        withdraw=own["ledger: withdraw earnings"],
        checkpoint=staking["first call of a UTC day (checkpoint)"],
        auction=sum(own[name] for name in auction),
    )


def gateway_requests() -> float | None:
    """Requests a second of one gateway process, the most of `scripts/bench/gateway`; None as long
    as that was not measured."""
    if not (BENCH / "gateway.json").is_file():
        return None
    rows = _read("gateway.json").get("requests", ())
    ours = [float(row["requests_per_second"]) for row in rows if row["side"] == "assay"]
    return max(ours, default=None)


def rounds(shape: DecoderShape, positions: int) -> int:
    """Most picks of a game: down the tree of steps, then the tiles of the largest output."""
    steps = hollow_program(shape).steps
    tiles = max(
        step.rows * (positions if step.per_position else 1) * -(-(step.width or positions) // TILE)
        for step in steps
    )
    return _picks(len(steps)) + _picks(tiles)


def _picks(leaves: int) -> int:
    return -(-(leaves - 1).bit_length() // LEVELS)


@cache
def prefill_tokens() -> float:
    """Tokens a second of the exact engine's prefill, times the weight bytes that each reads."""
    sizes = _read("engine.json")["sizes"]
    rate = float(sizes["tokens_per_second"]["exact native"]["prefill"])
    return rate * float(sizes["weight_bytes_per_token"])


@cache
def verify_share() -> float:
    """Time of checking an answer over that of giving it, on two cores."""
    return float(_read("engine.json")["shipped"]["exact"]["verify_over_decode"])


def prefill_seconds(shape: DecoderShape, positions: int) -> float:
    """Of recomputing a claim on the machine of the benchmarks; products grow with the weights."""
    return positions * weight_bytes(shape) / prefill_tokens()


def _read(name: str) -> Any:
    return json.loads((BENCH / name).read_text())
