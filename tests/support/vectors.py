"""Golden vectors: whole steps with their inputs and outputs, shared by every implementation.

Run as a module to write `tests/vectors/<op>.json` anew: `python -m tests.support.vectors`. A diff
there is a change of the protocol.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from assay.core.types import Op, Step
from assay.exact.fixed import MASKED
from assay.exact.model import Softcap
from assay.trace.execute import apply

FOLDER = Path(__file__).parents[1] / "vectors"
I32 = (-(2**31), 2**31 - 1)
Case = dict[str, Any]


def load(op: Op) -> list[Case]:
    """The cases of one opcode, as JSON holds them."""
    cases: list[Case] = json.loads((FOLDER / f"{op.name.lower()}.json").read_text())
    return cases


def step_of(case: Case) -> Step:
    """The step that a case's parameters belong to; shapes follow from its output."""
    return Step(
        opcode=int(Op[case["op"]]),
        rows=case["rows"],
        per_position=case["per_position"],
        width=case["width"],
        elem_bytes=case["elem_bytes"],
        inputs=tuple(range(len(case["inputs"]))),
        tensors=tuple(range(len(case["tensors"]))),
        params=tuple(case["params"]),
    )


def run(case: Case) -> np.ndarray:
    """The reference's output for a case."""
    arrays = [np.array(x, dtype=np.int64) for x in case["inputs"]]
    tensors = [np.array(t, dtype=np.int64) for t in case["tensors"]]
    return apply(step_of(case), arrays, tensors, np.array(case["tokens"], dtype=np.int64))


class Writer:
    def __init__(self, seed: int = 20) -> None:
        self.seed = seed
        self.rng = np.random.default_rng(seed)

    def later(self) -> Writer:
        """Draws for cases that came later, so that the earlier ones stay as they were."""
        return Writer(self.seed + 1000)

    def ints(self, low: int, high: int, *shape: int) -> np.ndarray:
        return self.rng.integers(low, high + 1, shape)

    def spread(self, *shape: int) -> np.ndarray:
        """Signed 32-bit values of all magnitudes, with the extremes among them."""
        values = self.ints(*I32, *shape) >> self.ints(0, 31, *shape)
        flat = values.reshape(-1)
        flat[: min(6, flat.size)] = [*I32, 0, -1, 1, 2**30][: flat.size]
        self.rng.shuffle(flat)
        return flat.reshape(shape)

    def cases(self, op: Op) -> Iterator[Case]:
        yield from getattr(self, op.name.lower())()

    def case(
        self, op: Op, shape: tuple[int, bool, int, int], inputs: list[np.ndarray],
        params: tuple[int, ...] = (), tensors: tuple[np.ndarray, ...] = (), positions: int = 0,
        tokens: tuple[int, ...] = (),
    ) -> Case:  # fmt: skip
        case: Case = {
            "op": op.name, "rows": shape[0], "per_position": shape[1], "width": shape[2],
            "elem_bytes": shape[3], "params": list(params), "tokens": list(tokens),
            "positions": positions or len(inputs[0]),
            "inputs": [x.tolist() for x in inputs], "tensors": [t.tolist() for t in tensors],
        }  # fmt: skip
        case["output"] = run(case).tolist()
        return case

    def embed(self) -> Iterator[Case]:
        table = self.ints(-(2**15), 2**15 - 1, 9, 700)
        for shift in (0, 3, 15):
            yield self.case(Op.EMBED, (1, True, 700, 4), [], (shift,), (table,), 4, (8, 0, 3, 3))

    def exponent(self) -> Iterator[Case]:
        for width in (1, 5, 512, 513, 1300):
            x = self.spread(3, width)
            yield self.case(Op.EXPONENT, (1, True, 1, 1), [x], (width,))
        edges = [0, 1, 2**14, 32513, 32514, 32639, 32767, 32768, 2**31 - 1, -(2**31), -1, -32514]
        yield self.case(Op.EXPONENT, (1, True, 1, 1), [np.array(edges)[:, None]], (1,))
        yield from self.later().exponent_of_a_digit()

    def exponent_of_a_digit(self) -> Iterator[Case]:
        for width in (1, 5, 512, 513):
            x = self.spread(3, width)
            yield self.case(Op.EXPONENT, (1, True, 1, 1), [x], (width, 8))
        edges = [0, 1, 63, 64, 126, 127, 128, 254, 255, 16256, 16257, 2**31 - 1, -(2**31), -127]
        yield self.case(Op.EXPONENT, (1, True, 1, 1), [np.array(edges)[:, None]], (1, 8))

    def rms(self) -> Iterator[Case]:
        for width, eps in ((1, 0), (7, 2**40), (64, 703687), (512, 2**58), (1200, 1)):
            x = np.concatenate([self.spread(2, width), np.zeros((1, width), dtype=np.int64)])
            x = np.concatenate([x, np.full((1, width), -(2**31)), self.ints(-900, 900, 2, width)])
            e = _exponents(x)
            yield self.case(Op.RMS, (1, True, 1, 4), [x, e], (eps, width))
            wild = self.ints(-128, 127, len(x), 1)
            yield self.case(Op.RMS, (1, True, 1, 4), [x, wild], (eps, width))

    def norm(self) -> Iterator[Case]:
        for shift in (1, 20, 28, 62):
            x = self.spread(4, 40)
            inputs = [x, self.ints(-15, 17, 4, 1), np.abs(self.spread(4, 1) // 2)]
            yield self.case(Op.NORM, (1, True, 40, 4), inputs, (shift,), (self.spread(1, 40),))

    def quant(self) -> Iterator[Case]:
        x = self.spread(6, 60)
        yield self.case(Op.QUANT, (1, True, 60, 2), [x, _exponents(x)])
        yield self.case(Op.QUANT, (1, True, 60, 2), [x, self.ints(-128, 127, 6, 1)])
        x = self.ints(-50000, 50000, 2, 600)
        yield self.case(Op.QUANT, (1, True, 600, 2), [x, self.ints(-15, 17, 2, 1)])
        yield from self.later().quant_to_a_digit()

    def quant_to_a_digit(self) -> Iterator[Case]:
        x = self.spread(6, 60)
        yield self.case(Op.QUANT, (1, True, 60, 1), [x, _exponents(x, 8)], (8,))
        yield self.case(Op.QUANT, (1, True, 60, 1), [x, self.ints(-128, 127, 6, 1)], (8,))
        x = self.ints(-50000, 50000, 2, 600)
        yield self.case(Op.QUANT, (1, True, 600, 1), [x, self.ints(-7, 25, 2, 1)], (8,))

    def linear(self) -> Iterator[Case]:
        for width, out in ((1, 3), (64, 6), (512, 4), (513, 3), (1537, 3)):
            a = self.ints(-32515, 32515, 3, width)
            a[0] = 32515
            w = self.ints(-128, 127, out, width)
            w[0] = -128
            scale = np.stack([self.ints(2**15, 2**16 - 1, out), self.ints(-5, 60, out)], axis=1)
            e = self.ints(-15, 17, 3, 1)
            yield self.case(Op.LINEAR, (1, True, out, 4), [a, e], (width,), (w, scale))
        yield from self.later().linear_of_a_digit()

    def linear_of_a_digit(self) -> Iterator[Case]:
        for width, out in ((1, 3), (33, 6), (512, 4), (1537, 3)):
            a, w = self.ints(-127, 127, 4, width), self.ints(-128, 127, out, width)
            a[0], a[1], w[0] = 127, -127, -128
            scale = np.stack([self.ints(2**15, 2**16 - 1, out), self.ints(-5, 52, out)], axis=1)
            e = self.ints(-7, 25, 4, 1)
            case = self.case(Op.LINEAR, (1, True, out, 4), [a, e], (width,), (w, scale))
            yield case | {"input_bytes": [1, 1]}

    def rope(self) -> Iterator[Case]:
        for heads, hd in ((1, 2), (4, 16), (3, 96), (9, 96)):
            angle = self.rng.uniform(0, 7, (4, hd // 2))
            table = np.rint(np.concatenate([np.cos(angle), np.sin(angle)], 1) * 16384)
            inputs = [self.spread(4, heads * hd)]
            yield self.case(
                Op.ROPE, (heads, True, hd, 4), inputs, (heads,), (table.astype(np.int64),)
            )
        yield from self.later().rope_of_split_rows()

    def rope_of_split_rows(self) -> Iterator[Case]:
        for heads, hd in ((1, 2), (3, 16), (2, 512)):
            table = self.ints(-(2**14), 2**14, 4, hd)
            inputs = [self.spread(4 * heads, hd)]
            yield self.case(Op.ROPE, (heads, True, hd, 4), inputs, (heads, 1), (table,), 4)

    def scores(self) -> Iterator[Case]:
        for heads, kv, hd, shift in (
            (1, 1, 1, 30),
            (4, 2, 16, 44),
            (6, 2, 128, 20),
            (2, 2, 512, 62),
        ):
            n = 5
            q, k = self.ints(-32515, 32515, n * heads, hd), self.ints(-32515, 32515, n * kv, hd)
            q[0], k[0] = 32515, -32515
            inputs = [q, self.ints(-15, 17, n * heads, 1), k, self.ints(-15, 17, n * kv, 1)]
            params = (47274, shift, heads, kv)
            yield self.case(Op.SCORES, (heads, True, 0, 4), inputs, params, (), n)
        yield from self.later().windowed_scores()

    def windowed_scores(self) -> Iterator[Case]:
        n, heads, kv, hd = 7, 4, 2, 8
        q, k = self.ints(-32515, 32515, n * heads, hd), self.ints(-32515, 32515, n * kv, hd)
        inputs = [q, self.ints(-15, 17, n * heads, 1), k, self.ints(-15, 17, n * kv, 1)]
        for window in (0, 1, 3, 6, 7, 2**31, -1):
            params = (47274, 40, heads, kv, window)
            yield self.case(Op.SCORES, (heads, True, 0, 4), inputs, params, (), n)

    def _scores_like(self, n: int) -> np.ndarray:
        s = self.spread(n, n)
        return np.where(np.tril(np.ones((n, n), dtype=bool)), np.maximum(s, -I32[1]), MASKED)

    def rowmax(self) -> Iterator[Case]:
        for n in (1, 7):
            yield self.case(Op.ROWMAX, (1, True, 1, 4), [self._scores_like(n)])
        yield self.case(Op.ROWMAX, (1, True, 1, 4), [_sparse(self.spread(513, 513))])

    def exp2(self) -> Iterator[Case]:
        s = self._scores_like(24)
        yield self.case(Op.EXP2, (1, True, 0, 2), [s, s.max(axis=1, keepdims=True)])
        near = self.ints(-3 * 2**16, 0, 40, 40)
        yield self.case(Op.EXP2, (1, True, 0, 2), [near, np.zeros((40, 1), dtype=np.int64)])
        yield self.case(Op.EXP2, (1, True, 0, 2), [s, self.spread(24, 1)])

    def sum(self) -> Iterator[Case]:
        for n in (1, 9):
            yield self.case(Op.SUM, (1, True, 1, 8), [self.ints(0, 32512, n, n)])
        yield self.case(Op.SUM, (1, True, 1, 8), [_sparse(self.ints(0, 32512, 513, 513))])

    def transpose(self) -> Iterator[Case]:
        for shift in (-3, 0, 7, 40):
            yield self.case(Op.TRANSPOSE, (20, False, 0, 2), [self.spread(6, 20)], (shift,))

    def attend(self) -> Iterator[Case]:
        for heads, kv, hd, n in ((1, 1, 3, 1), (4, 2, 8, 9), (1, 1, 2, 513)):
            p = self.ints(0, 32512, n * heads, n)
            p = _sparse(p) if n > 100 else p
            v = self.ints(-32512, 32512, kv * hd, n)
            total = p.sum(axis=1, keepdims=True)
            total[0] = 0
            inputs = [p, v, total]
            yield self.case(Op.ATTEND, (1, True, heads * hd, 4), inputs, (heads, kv), (), n)

    def add(self) -> Iterator[Case]:
        yield self.case(Op.ADD, (1, True, 90, 4), [self.spread(4, 90), self.spread(4, 90)])

    def silu_gate(self) -> Iterator[Case]:
        for fraction, shift in ((0, 1), (16, 14), (20, 40), (30, 62)):
            inputs = [self.spread(3, 80), self.spread(3, 80)]
            yield self.case(Op.SILU_GATE, (1, True, 80, 4), inputs, (fraction, shift))
        gate = np.arange(-600, 600)[None] << 11
        inputs = [gate, np.full((1, 1200), 2**16)]
        yield self.case(Op.SILU_GATE, (1, True, 1200, 4), inputs, (16, 16))

    def gelu_gate(self) -> Iterator[Case]:
        for fraction, shift in ((0, 1), (16, 14), (20, 40), (30, 62)):
            inputs = [self.spread(3, 80), self.spread(3, 80)]
            yield self.case(Op.GELU_GATE, (1, True, 80, 4), inputs, (fraction, shift))
        gate = np.arange(-600, 600)[None] << 10
        inputs = [gate, np.full((1, 1200), 2**16)]
        yield self.case(Op.GELU_GATE, (1, True, 1200, 4), inputs, (16, 16))
        gate = np.arange(-500, 500)[None] * 3_221_225
        inputs = [gate, np.full((1, 1000), 2**20)]
        yield self.case(Op.GELU_GATE, (1, True, 1000, 4), inputs, (28, 20))

    def softcap(self) -> Iterator[Case]:
        for cap in (2**31 - 1, 30 << 20, 4727358, 7, 1):
            yield self.case(Op.SOFTCAP, (1, True, 80, 4), [self.spread(3, 80)], _cap(cap))
        near = self.ints(-4 * 2**20, 4 * 2**20, 1, 1200)
        yield self.case(Op.SOFTCAP, (1, True, 1200, 4), [near], _cap(2**20))
        s = self._scores_like(12)
        yield self.case(Op.SOFTCAP, (1, True, 0, 4), [s], _cap(4727358))

    def last(self) -> Iterator[Case]:
        yield self.case(Op.LAST, (1, False, 70, 4), [self.spread(5, 70)])

    def bias(self) -> Iterator[Case]:
        for width in (1, 90, 600):
            x, row = self.spread(4, width), self.spread(1, width)
            yield self.case(Op.BIAS, (1, True, width, 4), [x], (), (row,))

        x, table = self.spread(4, 70), self.spread(9, 70)
        yield self.case(Op.BIAS, (1, True, 70, 4), [x], (1,), (table,))

    def mean(self) -> Iterator[Case]:
        for width in (1, 5, 512, 1300):
            x = np.concatenate([self.spread(2, width), np.full((2, width), [[I32[0]], [I32[1]]])])
            yield self.case(Op.MEAN, (1, True, 1, 4), [x], (width,))

    def center(self) -> Iterator[Case]:
        inputs = [self.spread(4, 90), self.spread(4, 1)]
        yield self.case(Op.CENTER, (1, True, 90, 4), inputs)

    def gelu(self) -> Iterator[Case]:
        for fraction, shift in ((0, 1), (16, 2), (20, 0), (30, -3)):
            yield self.case(Op.GELU, (1, True, 80, 4), [self.spread(3, 80)], (fraction, shift))
        x = np.arange(-600, 600)[None] << 10
        yield self.case(Op.GELU, (1, True, 1200, 4), [x], (16, 0))

    def split(self) -> Iterator[Case]:
        for heads, hd in ((1, 3), (4, 16), (3, 300)):
            x = self.spread(4, heads * hd)
            yield self.case(Op.SPLIT, (heads, True, hd, 4), [x], (heads,))


def _cap(cap: int) -> tuple[int, int, int]:
    made = Softcap.of(cap)
    return made.cap, made.mantissa, made.shift


def _exponents(x: np.ndarray, bits: int = 16) -> np.ndarray:
    peak = np.abs(x).max(axis=1)
    return np.array([[int(v + (v >> 7)).bit_length() - bits + 1] for v in peak])


def _sparse(x: np.ndarray) -> np.ndarray:
    """Mostly zero rows keep the JSON of a wide case small; a few full ones stay."""
    x = x.copy()
    x[3:-1, 2:] = 0
    return x


def write() -> None:
    """Write every opcode's cases."""
    FOLDER.mkdir(exist_ok=True)
    writer = Writer()
    for op in Op:
        cases = ",\n".join(json.dumps(c, separators=(",", ":")) for c in writer.cases(op))
        (FOLDER / f"{op.name.lower()}.json").write_text(f"[\n{cases}\n]\n")


if __name__ == "__main__":
    write()
