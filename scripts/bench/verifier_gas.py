"""Gas of every kind of verification at the widths of 8B and 70B models, by opcode.

    python -m scripts.bench.verifier_gas [--out FILE]

Prints JSON. No such model is needed: a verification's price depends on the bytes of its tiles and
on how deep its trees are, so tiles are random bytes and most hashes of the trees are random, too.
Random bytes are hardly ever zero, which is the dearest calldata there is; the verdict is False,
which costs what True costs. Executed by titanoboa, charged by `scripts.bench.calldata`; the whole
games of `scripts/bench/dispute` run on Anvil.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import boa.interpret  # type: ignore[import-untyped]

from assay.core.hashes import PROMPT_SIDE, list_root, tensor_commitment, tile_leaf
from assay.core.merkle import MerkleTree, depth_of, root_from_path
from assay.core.partials import packed
from assay.core.tokens import TokenList
from assay.core.types import EMPTY_TOKEN, TABLE_BASE, TILE, Op, Opening, Pass, Step, TokenOpening
from assay.exact.sampling import noise_key, noise_slot, noise_uniform
from scripts.bench.calldata import Calldata

ROOT = Path(__file__).resolve().parents[2]
DISPUTES = ROOT / "contracts" / "disputes"
GAS_LIMIT = 400_000
POSITIONS = 8_192
VOCAB = 128_256
HEAD = 128
SEED = bytes(range(32))
N_TABLES = 2


@dataclass(frozen=True)
class Model:
    """A Llama's width, and the length of its program and lists."""

    width: int
    heads: int
    kv_heads: int
    n_steps: int
    n_weights: int


MODELS = (
    Model(4_096, 32, 8, 1_190, 550),
    Model(14_336, 112, 8, 1_190, 550),
    Model(28_672, 224, 8, 2_970, 1_370),
)


@dataclass
class World:
    """Trees of a model's size in which only the opened tensors are real."""

    model: Model
    draw: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        counts = (self.model.n_steps, self.model.n_weights, N_TABLES)
        self.leaves = [[self.draw.randbytes(32) for _ in range(count)] for count in counts]
        self.opened: list[tuple[int, int, Opening]] = []

    def tile(
        self, tree: int, index: int, shape: tuple[int, int, int], row: int, column: int
    ) -> None:
        """Add the tile at (row, column) of tensor `index` of a tree (0 trace, 1 weights, 2 tables)

        Args:
            shape: the tensor's (rows, width, elem_bytes).
        """
        rows, width, elem_bytes = shape
        tiles, tile = -(-width // TILE), column // TILE
        data = self.draw.randbytes(min(TILE, width - tile * TILE) * elem_bytes)
        path = tuple(self.draw.randbytes(32) for _ in range(depth_of(rows * tiles)))
        root = root_from_path(tile_leaf(data), row * tiles + tile, path)
        self.leaves[tree][index] = tensor_commitment(rows, width, elem_bytes, root)
        self.opened.append((tree, index, Opening(rows, width, elem_bytes, data, path)))

    def openings(self) -> tuple[list[Opening], list[bytes]]:
        """The openings in the order added, and the roots of the three trees."""
        trees = [MerkleTree(leaves) for leaves in self.leaves]
        complete = [
            Opening(o.rows, o.width, o.elem_bytes, o.data, (*o.path, *trees[tree].path(index)))
            for tree, index, o in self.opened
        ]
        return complete, [tree.root for tree in trees]


@dataclass(frozen=True)
class Case:
    """One verification: what is called, and what it opens."""

    op: str
    verification: str
    width: int
    function: str
    step: Step
    place: tuple[int, ...]
    tiles: tuple[tuple[int, int, tuple[int, int, int], int, int], ...]
    token: bool = False
    partials: int = 0


ROW = POSITIONS - 1
TRACE, WEIGHTS, TABLES = range(3)
X, E, R = 1_000, 1_001, 1_002  # steps that the disputed one reads
Tile = tuple[int, int, tuple[int, int, int], int, int]


def row_of(index: int, width: int, elem_bytes: int, column: int = 0, heads: int = 1) -> Tile:
    """A tile of the last row of a trace tensor."""
    rows = POSITIONS * heads
    return (TRACE, index, (rows, width, elem_bytes), rows - 1, column)


def scalar(index: int, elem_bytes: int, heads: int = 1) -> Tile:
    return row_of(index, 1, elem_bytes, 0, heads)


def cases(model: Model) -> Iterator[Case]:
    """Every verification whose price depends on the width."""
    w, column = model.width, model.width // 2
    x = row_of(X, w, 4, column)
    chunks = -(-w // TILE)

    def step(op: Op, *params: int, width: int = w, elem_bytes: int = 4) -> Step:
        # Weights 3 and 4, except that ROPE's first tensor is table 0.
        tensors = (TABLE_BASE, 4) if op == Op.ROPE else (3, 4)
        rows = model.heads if op in (Op.ROPE, Op.SPLIT) else 1
        return Step(op, rows, True, width, elem_bytes, (X, E, R), tensors, params)

    def element(op: Op, tiles: Sequence[Tile], *params: int, token: bool = False) -> Case:
        place = (ROW, column, 0)
        kind = "verify_element"
        return Case(op.name, "element", w, kind, step(op, *params), place, tuple(tiles), token)

    def combine(op: Op, tiles: Sequence[Tile], *params: int, width: int = 1) -> Case:
        described = step(op, *params, width=width)
        place = (ROW, width - 1, 0)
        return Case(
            op.name, "combine", w, "verify_combine", described, place, tuple(tiles), False, chunks
        )

    def chunk(op: Op, tiles: Sequence[Tile], *params: int, width: int = 1) -> Case:
        described = step(op, *params, width=width)
        place = (ROW, width - 1, chunks // 2, 0)
        return Case(op.name, "chunk", w, "verify_chunk", described, place, tuple(tiles))

    middle = chunks // 2 * TILE
    x_chunk = row_of(X, w, 4, middle)
    yield element(Op.EMBED, [(WEIGHTS, 3, (VOCAB, w, 2), ROW, column)], 4, token=True)
    yield combine(Op.EXPONENT, [], w)
    yield chunk(Op.EXPONENT, [x_chunk], w)
    yield combine(Op.RMS, [scalar(E, 1)], 1, w)
    yield chunk(Op.RMS, [x_chunk, scalar(E, 1)], 1, w)
    gain = (WEIGHTS, 3, (1, w, 4), 0, column)
    yield element(Op.NORM, [x, scalar(E, 1), scalar(R, 4), gain], 28)
    yield element(Op.QUANT, [x, scalar(E, 1)])
    weight = (WEIGHTS, 3, (w, w, 1), w - 1, middle)
    yield combine(Op.LINEAR, [scalar(E, 1), (WEIGHTS, 4, (w, 2, 4), w - 1, 0)], w, width=w)
    yield chunk(Op.LINEAR, [row_of(X, w, 2, middle), weight], w, width=w)
    table = (TABLES, 0, (POSITIONS, HEAD, 2), ROW, 0)
    place = (POSITIONS * model.heads - 1, 5, 0)
    head = row_of(X, w, 4, w - HEAD + 5)
    for op, tiles in ((Op.ROPE, (head, table)), (Op.SPLIT, (head,))):
        by_head = step(op, model.heads, width=HEAD)
        yield Case(op.name, "element", w, "verify_element", by_head, place, tiles)
    yield element(Op.ADD, [x, row_of(E, w, 4, column)])
    yield element(Op.SILU_GATE, [x, row_of(E, w, 4, column)], 16, 14)
    yield element(Op.GELU_GATE, [x, row_of(E, w, 4, column)], 16, 14)
    yield element(Op.SOFTCAP, [x], 30 << 20, 3 << 29, 26)
    yield element(Op.LAST, [x])
    yield element(Op.BIAS, [x, gain])
    yield combine(Op.MEAN, [], w)
    yield chunk(Op.MEAN, [x_chunk], w)
    yield element(Op.CENTER, [x, scalar(E, 4)])
    yield element(Op.GELU, [x], 16, 0)


def context_cases(model: Model) -> Iterator[Case]:
    """Every verification whose price depends on the context, at `POSITIONS`."""
    heads, kv = model.heads, model.kv_heads
    q_rows, chunks = POSITIONS * heads, POSITIONS // TILE
    last, middle = q_rows - 1, chunks // 2 * TILE
    s = row_of(X, POSITIONS, 4, middle, heads)
    p = row_of(X, POSITIONS, 2, middle, heads)
    v = (TRACE, E, (kv * HEAD, POSITIONS, 2), kv * HEAD - 1, middle)

    def step(op: Op, rows: int, width: int, *params: int, per_position: bool = True) -> Step:
        return Step(op, rows, per_position, width, 4, (X, E, R, R + 1), (), params)

    def case(kind: str, described: Step, place: tuple[int, ...], tiles: Sequence[Tile]) -> Case:
        partials = chunks if kind == "combine" else 0
        name = Op(described.opcode).name
        function = f"verify_{kind}"
        return Case(
            name, kind, POSITIONS, function, described, place, tuple(tiles), False, partials
        )

    for op, tile in ((Op.ROWMAX, s), (Op.SUM, p)):
        yield case("combine", step(op, heads, 1), (last, 0, 0), [])
        yield case("chunk", step(op, heads, 1), (last, 0, chunks // 2, 0), [tile])
    scored = step(Op.SCORES, heads, 0, 47274, 40, heads, kv)
    q, k = row_of(X, HEAD, 2, 0, heads), row_of(R, HEAD, 2, 0, kv)
    exponents = scalar(E, 1, heads), scalar(R + 1, 1, kv)
    yield case("element", scored, (last, ROW, 0), [q, exponents[0], k, exponents[1]])
    yield case("element", step(Op.EXP2, heads, 0), (last, middle, 0), [s, scalar(E, 4, heads)])
    moved = step(Op.TRANSPOSE, kv * HEAD, 0, 7, per_position=False)
    yield case("element", moved, (kv * HEAD - 1, ROW, 0), [row_of(X, kv * HEAD, 4, kv * HEAD - 1)])
    attended = step(Op.ATTEND, 1, heads * HEAD, heads, kv)
    column = heads * HEAD - 1
    yield case("combine", attended, (ROW, column, 0), [scalar(R, 8, heads)])
    yield case("chunk", attended, (ROW, column, chunks // 2, 0), [p, v])


def pass_of(model: Model, roots: Sequence[bytes], prompt: TokenList, output: TokenList) -> Pass:
    return Pass(
        n_steps=model.n_steps,
        n_weights=model.n_weights,
        n_tables=N_TABLES,
        weights_root=list_root(model.n_weights, roots[WEIGHTS]),
        tables_root=list_root(N_TABLES, roots[TABLES]),
        program_root=random.Random(2).randbytes(32),
        positions=POSITIONS,
        prompt_root=prompt.root,
        prompt_tokens=len(prompt.tokens),
        output_root=output.root,
        output_tokens=len(output.tokens),
        token_index=len(output.tokens) - 1,
        seed=SEED,
        inv_temperature=65_536,
        vocab_size=VOCAB,
        logit_fraction=16,
        gumbel_table=1,
    )


Measured = dict[str, object]


@dataclass
class Meter:
    """Calls the verifier and charges for it as Prague would."""

    verifier: Any
    prompt: TokenList
    output: TokenList

    def measure(self, model: Model, case: Case) -> Measured:
        world = World(model)
        for tile in case.tiles:
            world.tile(*tile)
        openings, roots = world.openings()
        arguments: list[object] = [
            case.step.abi(),
            pass_of(model, roots, self.prompt, self.output).abi(),
            roots[TRACE],
            *case.place,
        ]
        if case.partials:
            draw = random.Random(3)
            arguments.append(packed([draw.getrandbits(33) for _ in range(case.partials)]))
        arguments.append([opening.abi() for opening in openings])
        if case.function == "verify_element":
            token: TokenOpening = self.prompt.open(ROW) if case.token else EMPTY_TOKEN
            arguments.append(token.abi())
        return self.charge(case.op, case.verification, case.width, case.function, arguments)

    def sample(self, model: Model) -> Measured:
        """The claimed token and a rival in another tile, with both tokens' noise."""
        index = len(self.output.tokens) - 1
        claimed, rival = self.output.tokens[index], VOCAB - 1
        key = noise_key(SEED, index)
        world = World(model)
        # Both logit tiles must lie under one commitment: a real tensor of zeros and its tree.
        logits = [bytes(4 * min(TILE, VOCAB - start)) for start in range(0, VOCAB, TILE)]
        noise = [random.Random(row).randbytes(4 * 128) for row in range(128)]
        slots = [noise_slot(noise_uniform(key, token))[0] for token in (claimed, rival)]
        for tree, at, tiles, shape, places in (
            (TRACE, model.n_steps - 1, logits, (1, VOCAB, 4), (claimed // TILE, rival // TILE)),
            (TABLES, 1, noise, (128, 128, 4), tuple(dict.fromkeys(slots))),
        ):
            inner = MerkleTree([tile_leaf(tile) for tile in tiles])
            world.leaves[tree][at] = tensor_commitment(*shape, inner.root)
            for place in places:
                opening = Opening(*shape, tiles[place], inner.path(place))
                world.opened.append((tree, at, opening))
        openings, roots = world.openings()
        arguments = [
            pass_of(model, roots, self.prompt, self.output).abi(),
            roots[TRACE],
            self.output.open(index).abi(),
            rival,
            [opening.abi() for opening in openings],
        ]
        return self.charge("SAMPLE", "sample", VOCAB, "verify_sample", arguments)

    def charge(
        self, op: str, verification: str, width: int, function: str, arguments: Sequence[object]
    ) -> Measured:
        method = getattr(self.verifier, function)
        calldata = Calldata.of(method.prepare_calldata(*arguments))
        method(*arguments)
        execution = int(self.verifier._computation.get_gas_used())
        return {
            "op": op,
            "verification": verification,
            "width": width,
            "gas": calldata.transaction_gas(execution),
            "limit": GAS_LIMIT,
            "execution_gas": execution,
            "calldata_floor": calldata.floor,
            **asdict(calldata),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    options = parser.parse_args()
    boa.interpret.set_search_paths([str(ROOT)])
    arithmetic = boa.load(str(DISPUTES / "StepArithmetic.vy"))
    verifier = boa.load(str(DISPUTES / "StepVerifier.vy"), arithmetic)
    prompt = TokenList(range(POSITIONS), bytes(32), PROMPT_SIDE)
    meter = Meter(verifier, prompt, TokenList([9] * 64, bytes(32), PROMPT_SIDE))
    measured = [meter.measure(model, case) for model in MODELS for case in cases(model)]
    measured += [meter.measure(MODELS[0], case) for case in context_cases(MODELS[0])]
    measured.append(meter.sample(MODELS[0]))
    document = {
        "what": "single verifications, gas as a transaction under Prague's rules",
        "positions": POSITIONS,
        "code_bytes": {
            "StepVerifier": len(boa.env.get_code(verifier.address)),
            "StepArithmetic": len(boa.env.get_code(arithmetic.address)),
        },
        "versions": {name: version(name) for name in ("vyper", "titanoboa", "py-evm")},
        "most": max(measured, key=lambda m: int(str(m["gas"]))),
        "verifications": measured,
    }
    text = json.dumps(document, indent=1)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
