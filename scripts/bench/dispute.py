"""What a dispute costs: whole games on a real Anvil with the shipped model, then wide layers.

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
from scripts.bench.arena import Arena, Lie, Played
from scripts.bench.conditions import machine, print_table, stderr, versions
from scripts.bench.widths import measure

PROMPT = "The with statement is used to wrap the execution of a block with methods defined by"
TOKENS = 16
WRONG = 5  # the output token that is wrong


@dataclass(frozen=True)
class Scenario:
    """One game: where the lie is. `step` None: the trace is honest, only the token is wrong."""

    name: str
    step: int | None
    prompt: tuple[int, ...]
    forged: bool = False


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
    found.append(Scenario("LINEAR, forged partials", down, tuple(prompt), forged=True))
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
        document = {
            "what": "one-element disputes on Anvil",
            "machine": machine(),
            "versions": versions(("vyper", "snekmate", "web3", "numpy", "torch")),
            "rules": {"hardfork": HARDFORK},
            "model": _model(commitment),
            "contracts": sources_hash(),
            "code_bytes": _code_bytes(arena),
            "games": games,
            "verifications": widths,
            "most": {
                "transactions": max(int(str(game["transactions"])) for game in games),
                "gas_of_a_game": max(int(str(game["gas"])) for game in games),
                "gas_of_a_verification": max(int(str(width["gas"])) for width in widths),
            },
        }
    _print_tables(games, widths)
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


def _game(
    arena: Arena, engine: Engine, commitment: ModelCommitment, scenario: Scenario
) -> dict[str, object]:
    params = SamplingParams(TOKENS, seed=bytes(32))
    output = list(engine.generate(list(scenario.prompt), params))
    wrong = min(WRONG, len(output) - 1)
    output[wrong] = (output[wrong] + 1) % commitment.header.vocab_size
    tamper = _tamper(commitment, scenario, wrong)
    lie = Lie(scenario.prompt, tuple(output), params, wrong, tamper, scenario.forged)
    played = arena.play(lie, engine)
    if played.outcome != "challenger_won":
        raise AssertionError(f"{scenario.name}: {played.outcome}, {played.reason}")
    return {
        "scenario": scenario.name,
        "positions": len(scenario.prompt) + wrong,
        "reason": played.reason,
        "transactions": len(played.moves),
        "gas": played.gas,
        "gas_by_player": {
            player: sum(int(str(m["gas"])) for m in played.moves if m["by"] == player)
            for player in ("provider", "challenger")
        },
        "calldata_zero_bytes": _sum(played, "calldata_zero_bytes"),
        "calldata_nonzero_bytes": _sum(played, "calldata_nonzero_bytes"),
        "moves": played.moves,
        "compute_seconds": played.seconds,
    }


def _tamper(commitment: ModelCommitment, scenario: Scenario, wrong: int) -> Tamper | None:
    """One element of the step's last row, off by one unit."""
    if scenario.step is None:
        return None
    step = commitment.program.steps[scenario.step]
    rows, width = step.shape(len(scenario.prompt) + wrong)
    # An EXPONENT and a row's maximum have one column; elsewhere take one off the beginning.
    return Tamper(scenario.step, rows - 1, width // 2, 1)


def _sum(played: Played, key: str) -> int:
    return sum(int(str(move[key])) for move in played.moves)


def _print_tables(games: list[dict[str, object]], widths: list[dict[str, object]]) -> None:
    columns = ["scenario", "transactions", "gas", "calldata_nonzero_bytes", "reason"]
    print_table("whole games", columns, games)
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
