"""What a dispute costs: whole games on a real Anvil, with the shipped model and at the shapes of
8B and 70B models; single verifications; a challenge out of a million claims, payment in bulk.

    scripts/bench/dispute [--out FILE] [--opcodes all|NAME,NAME] [--long N]

Prints one JSON document on stdout and a table on stderr. Gas is what Anvil charged under Prague's
rules (calldata floor included); times are seconds of computing on this machine, both players in
one process.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from assay.chain.anvil import HARDFORK, Anvil, dev_account
from assay.chain.artifacts import sources_hash
from assay.chain.node import connect
from assay.chain.sender import Sender
from assay.core.types import Op, SamplingParams
from assay.engine.engine import Engine
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.engine.tokenizer import Tokenizer
from assay.trace.commitment import ModelCommitment
from assay.trace.execute import Tamper
from scripts.bench import bulk
from scripts.bench.arena import Arena, Lie
from scripts.bench.conditions import machine, print_table, stderr, versions
from scripts.bench.wide_games import ABOUT, SHAPES, SHORT, play_all
from scripts.bench.widths import measure

PROMPT = "The with statement is used to wrap the execution of a block with methods defined by"
TOKENS = 16
Game = dict[str, Any]
WRONG = 5  # the output token that is wrong


@dataclass(frozen=True)
class Scenario:
    """One game: where the lie is. `step` None: the trace is honest, only the token is wrong.

    `misstated`: the challenger lies, about a partial of a right element.
    """

    name: str
    step: int | None
    prompt: tuple[int, ...]
    misstated: bool = False


def scenarios(
    commitment: ModelCommitment, prompt: list[int], wanted: set[str], long: int
) -> list[Scenario]:
    """The first step of every opcode, a reduction of several chunks, a long context, a token."""
    steps, names = commitment.program.steps, commitment.program.names
    found = [
        Scenario(op.name, next(i for i, s in enumerate(steps) if s.opcode == op), tuple(prompt))
        for op in sorted({Op(step.opcode) for step in steps})
        if op.name in wanted
    ]
    filler = (prompt * (long // len(prompt) + 1))[:long]
    down = names.index(f"layer.{commitment.model.shape.layers - 1}.down")
    attend = next(i for i, s in enumerate(steps) if s.opcode == Op.ATTEND)
    found.append(Scenario("LINEAR of two chunks", down, tuple(prompt)))
    found.append(Scenario("LINEAR, a misstated partial", down, tuple(prompt), misstated=True))
    found.append(Scenario(f"ATTEND, {long} tokens", attend, tuple(filler)))
    found.append(Scenario("the token alone", None, tuple(prompt)))
    return found


def main() -> None:
    options = _options()
    stderr.print("reading the model …")
    commitment = ModelCommitment(import_checkpoint(SHIPPED_MODEL))
    engine = Engine(commitment.model)
    prompt = Tokenizer.of_checkpoint(SHIPPED_MODEL).encode(PROMPT)
    wanted = {op.name for op in Op}
    if options.opcodes != "all":
        wanted = set(options.opcodes.upper().split(","))
    with tempfile.TemporaryDirectory() as folder, Anvil(hardfork=HARDFORK) as anvil:
        stderr.print("deploying …")
        arena = Arena(anvil, commitment, Path(folder))
        games = []
        for scenario in scenarios(commitment, prompt, wanted, options.long):
            stderr.print(f"playing: {scenario.name} …")
            games.append(_game(arena, engine, commitment, scenario))
        web3 = connect(anvil.url)
        stderr.print("single verifications at 8B and 70B widths …")
        widths = measure(web3, Sender(web3, dev_account()))
        wide_games = play_all()
        document = {
            "what": "one-element disputes on Anvil",
            "machine": machine(),
            "versions": versions(("vyper", "snekmate", "web3", "numpy", "torch")),
            "rules": {"hardfork": HARDFORK},
            "model": _model(commitment),
            "contracts": sources_hash(),
            "code_bytes": _code_bytes(arena),
            "games": games,
            "wide_games": {"about": ABOUT, "games": wide_games},
            "verifications": widths,
            "bulk": bulk.measure(commitment),
            "most": {
                "shipped": _most(games),
                **{name: _most(_of_shape(wide_games, name)) for name in SHAPES},
                "gas_of_a_verification": max(int(str(width["gas"])) for width in widths),
            },
        }
    _print_tables(games, wide_games, widths)
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


def _game(arena: Arena, engine: Engine, commitment: ModelCommitment, scenario: Scenario) -> Game:
    params = SamplingParams(TOKENS, seed=bytes(32))
    output = list(engine.generate(list(scenario.prompt), params))
    wrong = min(WRONG, len(output) - 1)
    output[wrong] = (output[wrong] + 1) % commitment.header.vocab_size
    tamper = _tamper(commitment, scenario, wrong)
    lie = Lie(scenario.prompt, tuple(output), params, wrong, tamper, scenario.misstated)
    played = arena.play(lie, engine)
    if played.outcome != ("provider_won" if scenario.misstated else "challenger_won"):
        raise AssertionError(f"{scenario.name}: {played.outcome}, {played.reason}")
    return {
        "scenario": scenario.name,
        "positions": len(scenario.prompt) + wrong,
        **played.document(),
    }


def _tamper(commitment: ModelCommitment, scenario: Scenario, wrong: int) -> Tamper | None:
    """One element of the step's last row, off by one unit."""
    if scenario.step is None:
        return None
    step = commitment.program.steps[scenario.step]
    rows, width = step.shape(len(scenario.prompt) + wrong)
    # An EXPONENT and a row's maximum have one column; elsewhere take one off the beginning.
    return Tamper(scenario.step, rows - 1, width // 2, 1)


def _of_shape(games: list[Game], shape: str) -> list[Game]:
    """Those at 2,048 positions; longer ones are told apart by their own rows."""
    return [game for game in games if game["shape"] == shape and game["positions"] == SHORT]


def _most(games: list[Game]) -> dict[str, int]:
    last = [int(str(moves[-1]["gas"])) for moves in (game["moves"] for game in games)]
    return {
        "transactions": max(int(str(game["transactions"])) for game in games),
        "gas": max(int(str(game["gas"])) for game in games),
        "gas_of_the_provider": max(game["gas_by_player"]["provider"] for game in games),
        "gas_of_the_last_move": max(last),
    }


def _print_tables(games: list[Game], wide_games: list[Game], widths: list[Game]) -> None:
    columns = ["scenario", "transactions", "gas", "calldata_nonzero_bytes", "reason"]
    print_table("whole games, shipped model", columns, games)
    print_table("whole games, wide shapes", ["shape", *columns], wide_games)
    columns = ["op", "verification", "width", "gas", "limit"]
    print_table("single verifications", columns, widths)


def _code_bytes(arena: Arena) -> dict[str, int]:
    """Runtime code of each contract; EIP-170 allows 24,576 bytes."""
    web3, contracts = arena.network.web3, arena.network.deployment.contracts
    addresses = {name: web3.to_checksum_address(item.address) for name, item in contracts.items()}
    return {name: len(web3.eth.get_code(address)) for name, address in addresses.items()}


def _model(commitment: ModelCommitment) -> dict[str, object]:
    header = commitment.header
    return {
        "name": commitment.model.name,
        "root": f"0x{commitment.model_root.hex()}",
        "steps": header.n_steps,
        "weights": header.n_weights,
    }


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What a dispute costs.")
    parser.add_argument("--out", type=Path, help="write the JSON document here, too")
    parser.add_argument("--opcodes", default="all", help="all, or names separated by commas")
    parser.add_argument("--long", type=int, default=400, help="tokens of the long context")
    return parser.parse_args()


if __name__ == "__main__":
    main()
