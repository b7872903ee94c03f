"""Every torch kernel gives the reference's bits, on random and on extreme values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from assay.core.types import Op
from assay.engine import kernels
from assay.engine.gemm import DigitGemm, FloatGemm, Gemm, digit_planes, int8_is_exact
from assay.engine.kernels import LinearWeights, NormWeights, Rows
from assay.exact import ops
from assay.exact.fixed import DIGIT_MAX, INT32_MAX, INT32_MIN, MASKED, Ints
from assay.exact.model import Softcap
from tests.support import vectors

seeds = st.integers(0, 2**32 - 1)
widths = st.sampled_from([2, 7, 64, 640])


def int32(rng: np.random.Generator, *shape: int) -> Ints:
    """All magnitudes, signs and both ends of int32; some rows all zero, some all equal."""
    values = rng.integers(INT32_MIN, INT32_MAX + 1, shape) >> rng.integers(0, 32, shape)
    values[rng.random(shape) < 0.02] = INT32_MIN
    values[rng.random(shape) < 0.02] = INT32_MAX
    values[rng.random(shape[0]) < 0.1] = 0
    values[rng.random(shape[0]) < 0.1] = rng.choice([INT32_MIN, INT32_MAX, 1, -1, 32514])
    # Rows of one magnitude, as real ones are.
    small = rng.random(shape[0]) < 0.4
    values[small] >>= rng.integers(0, 31)
    return values


def floats(values: Ints) -> torch.Tensor:
    return torch.from_numpy(values.astype(np.float64))


def integers(values: torch.Tensor) -> Ints:
    whole = values.to(torch.int64)
    assert torch.equal(whole.to(values.dtype), values), "a kernel's output is not an integer"
    return whole.numpy()


def quantised(x: Ints, bits: int = 16) -> tuple[Ints, Ints]:
    e = ops.exponent(x, bits)
    return ops.quant(x, e, bits), e


def rows(a: Ints, e: Ints, bits: int = 16) -> Rows:
    exponents = torch.from_numpy(e)
    return Rows(floats(a), exponents, kernels.power(exponents), bits)


@given(seeds, widths, st.sampled_from([8, 16]))
def test_quantise(seed: int, width: int, bits: int) -> None:
    x = int32(np.random.default_rng(seed), 9, width)
    got = kernels.quantise(floats(x), bits)
    a, e = quantised(x, bits)
    assert got.bits == bits
    assert np.array_equal(integers(got.values), a)
    assert np.array_equal(got.exponents.numpy(), e)
    assert np.array_equal(got.scale.numpy(), np.ldexp(1.0, e))
    assert np.abs(a).max() <= (32515 if bits == 16 else 127)


def test_a_digit_at_every_peak() -> None:
    """Peaks around each turn of the exponent: one unit more, and the row's integers halve."""
    peaks = [(base << k) + d for k in range(25) for base in (126, 127, 128) for d in range(-2, 3)]
    x = np.array([[peak, -peak, 1, 0] for peak in {*peaks, INT32_MAX, 2**31}])
    x = np.clip(x, INT32_MIN, INT32_MAX)
    a, e = quantised(x, 8)
    assert np.abs(a).max() == 127 and np.abs(a[:, :2]).max(axis=1).min() >= 63
    got = kernels.quantise(floats(x), 8)
    assert np.array_equal(integers(got.values), a)
    assert np.array_equal(got.exponents.numpy(), e)


def test_power_is_exact_over_its_range() -> None:
    e = torch.arange(-200, 201)
    assert np.array_equal(kernels.power(e).numpy(), np.ldexp(1.0, e.numpy()))


@given(seeds, widths, st.sampled_from([0, 1, 703687, 2**48, 2**58]), st.integers(-3, 62))
def test_norm(seed: int, width: int, eps: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    x, gain = int32(rng, 9, width), int32(rng, 1, width)
    terms = torch.from_numpy(ops.mean_square_eps(eps, np.arange(-15, 18)))
    weights = NormWeights(torch.from_numpy(gain[0]), shift, terms)
    e = ops.exponent(x)
    inverse = ops.rms(x, e, eps)
    expected_inverse = kernels.inverse_rms(kernels.quantise(floats(x)), terms)
    assert np.array_equal(expected_inverse.numpy(), inverse)
    assert np.array_equal(
        integers(kernels.norm(floats(x), weights)), ops.norm(x, e, inverse, gain, shift)
    )


@pytest.mark.parametrize("gemm", [DigitGemm(), FloatGemm()], ids=lambda gemm: gemm.name)
@given(
    seed=seeds,
    width=st.sampled_from([1, 2, 33, 640]),
    low=st.integers(-40, 70),
    bits=st.sampled_from([8, 16]),
)
def test_linear(gemm: Gemm, seed: int, width: int, low: int, bits: int) -> None:
    rng = np.random.default_rng(seed)
    a, e = quantised(int32(rng, 5, width), bits)
    weight = rng.integers(-128, 128, (12, width))
    weight[0], weight[1] = -128, 127
    mantissa = rng.integers(2**15, 2**16, 12)
    shift = rng.integers(low, low + 30, 12)
    packed = linear_weights(gemm, weight, mantissa, shift, width)
    expected = ops.linear(a, e, weight, mantissa, shift)
    assert np.array_equal(integers(kernels.linear(rows(a, e, bits), packed, gemm)), expected)
    wide = linear_weights(gemm, weight, mantissa, shift, kernels.FLOAT_WIDTH + 1)
    assert np.array_equal(integers(kernels.linear(rows(a, e, bits), wide, gemm)), expected)


def linear_weights(
    gemm: Gemm, weight: Ints, mantissa: Ints, shift: Ints, width: int
) -> LinearWeights:
    """`width` above FLOAT_WIDTH selects the int64 path."""
    return LinearWeights(
        packed=gemm.pack(torch.from_numpy(weight.astype(np.int8))),
        factor=torch.from_numpy(np.ldexp(mantissa.astype(np.float64), -shift)),
        mantissa=torch.from_numpy(mantissa),
        shift=torch.from_numpy(shift),
        width=width,
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_linear_at_the_widest_float_layer(sign: int) -> None:
    """Every product at its extreme, at the width up to which float64 rescales."""
    width = kernels.FLOAT_WIDTH
    a = np.full((2, width), sign * 32515)
    weight = np.full((2, width), -128)
    weight[1] = 127
    e, mantissa = np.array([[-15], [17]]), np.array([2**16 - 1, 2**16 - 1])
    gemm = FloatGemm()
    for shift in (0, 1, 20, 21, 22, 23, 52, 53, 54, 60):
        shifts = np.array([shift, shift])
        got = kernels.linear(
            rows(a, e), linear_weights(gemm, weight, mantissa, shifts, width), gemm
        )
        assert np.array_equal(integers(got), ops.linear(a, e, weight, mantissa, shifts))


def test_digits_of_every_value() -> None:
    values = torch.arange(-DIGIT_MAX - 128, DIGIT_MAX + 128, dtype=torch.float64)[:, None]
    high, low = digit_planes(values).to(torch.int64).chunk(2)
    assert torch.equal(256 * high + low, values.to(torch.int64))


def test_every_int8_product() -> None:
    """All 65,536 pairs, alone and as the two digits of one value."""
    values = torch.arange(-128, 128, dtype=torch.int8)
    pairs = torch._int_mm(
        torch.stack([values, torch.zeros_like(values)], 1),
        torch.stack([values, torch.zeros_like(values)], 0),
    )
    assert torch.equal(pairs.to(torch.int64), torch.outer(values.long(), values.long()))


class SaturatingGemm(DigitGemm):
    """What a CPU without VNNI computes: pairs of products saturate in int16."""

    def multiply(self, rows: torch.Tensor, packed: torch.Tensor, bits: int = 16) -> torch.Tensor:
        planes = digit_planes(rows).to(torch.int64)
        products = planes[:, None, :] * packed.t().to(torch.int64)[None]
        padded = torch.nn.functional.pad(products, (0, products.shape[2] % 2))
        sums = padded.unflatten(2, (-1, 2)).sum(3).clamp(-(2**15), 2**15 - 1).sum(2)
        n = rows.shape[0]
        return (sums[:n] * 256 + sums[n:]).to(torch.float64)


def test_an_int8_product_that_saturates_is_not_used() -> None:
    assert int8_is_exact(FloatGemm())
    assert not int8_is_exact(SaturatingGemm())


@given(seeds)
def test_rope(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, heads, hd = 5, 3, 8
    x = int32(rng, n, heads * hd)
    table = rng.integers(-(2**15), 2**15, (n, hd))
    cos, sin = floats(table[:, None, : hd // 2]), floats(table[:, None, hd // 2 :])
    got = kernels.rope(floats(x).view(n, heads, hd), cos, sin)
    assert np.array_equal(integers(got).reshape(n * heads, hd), ops.rope(x, table, heads))


@given(seed=seeds, head_dim=st.sampled_from([2, 16, 64, 66, 128, 512]), shift=st.integers(-4, 90))
def test_scores_and_numerators(seed: int, head_dim: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    n, mantissa = 6, int(rng.integers(2**15, 2**16))
    q, eq = quantised(int32(rng, n, head_dim))
    k, ek = quantised(int32(rng, n, head_dim))
    expected = ops.scores(q, eq, k, ek, mantissa, shift, 1, 1)
    got = kernels.scores(rows(q, eq), rows(k, ek), mantissa, shift)
    got.masked_fill_(torch.ones(n, n, dtype=torch.bool).triu(1), kernels.MASK)
    assert np.array_equal(np.where(got.isinf(), MASKED, got.numpy()), expected)
    check_numerators(got, expected)


def check_numerators(s: torch.Tensor, expected: Ints) -> None:
    numerators, total = kernels.softmax_numerators(s)
    p = ops.exp2(expected, ops.rowmax(expected))
    assert np.array_equal(integers(numerators), p)
    assert np.array_equal(integers(total), ops.rowsum(p))


def test_scores_at_their_largest_in_float() -> None:
    """2**52: the bound up to which the float path is exact."""
    a, e = np.full((2, 64), 32515), np.array([[17], [-15]])
    a[1] = -32515
    for shift in range(64):
        expected = ops.scores(a, e, a, e, 2**16 - 1, shift, 1, 1)
        got = kernels.scores(rows(a, e), rows(a, e), 2**16 - 1, shift)
        assert np.array_equal(np.tril(integers(got)), np.tril(expected))


def test_exp2_at_every_distance() -> None:
    distance = np.arange(0, kernels.EXP2_END + 70000, dtype=np.int64)
    expected = ops.exp2(-distance[None], np.zeros((1, 1), dtype=np.int64))
    numerators, _ = kernels.softmax_numerators(floats(-distance[None]))
    assert np.array_equal(integers(numerators), expected)


def test_numerators_of_the_farthest_scores() -> None:
    s = np.array([[INT32_MIN + 1, INT32_MAX], [INT32_MIN + 1, MASKED], [0, -(16 << 16) + 1]])
    masked = floats(s).masked_fill(torch.from_numpy(s == MASKED), kernels.MASK)
    check_numerators(masked, s)


@given(seeds, st.sampled_from([1, 3, 600]))
def test_attend(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    hd = 4
    p = rng.integers(0, DIGIT_MAX + 1, (n, n)) >> rng.integers(0, 17, (n, n))
    p[:, 0] = DIGIT_MAX
    v = rng.integers(-DIGIT_MAX, DIGIT_MAX + 1, (hd, n))
    total = ops.rowsum(p)
    got = kernels.attend(floats(p), floats(total), floats(v.T.copy()))
    assert np.array_equal(integers(got), ops.attend(p, v, total, 1, 1))


@given(seeds, st.integers(-20, 40))
def test_keep_values(seed: int, shift: int) -> None:
    v = int32(np.random.default_rng(seed), 5, 12)
    got = kernels.keep_values(floats(v), shift)
    assert np.array_equal(got.numpy().astype(np.int64).T, ops.transpose(v, shift))


@given(seeds)
def test_add(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = int32(rng, 4, 50), int32(rng, 4, 50)
    assert np.array_equal(integers(kernels.add(floats(x), floats(y))), ops.add(x, y))


@given(seeds, st.integers(0, 30), st.integers(-10, 50))
def test_silu_gate(seed: int, fraction: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    g, u = int32(rng, 6, 200), int32(rng, 6, 200)
    got = kernels.silu_gate(floats(g), floats(u), fraction, shift)
    assert np.array_equal(integers(got), ops.silu_gate(g, u, fraction, shift))


@given(seeds, st.integers(0, 30), st.integers(-10, 50))
def test_gelu_gate(seed: int, fraction: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    g, u = int32(rng, 6, 200), int32(rng, 6, 200)
    got = kernels.gelu_gate(floats(g), floats(u), fraction, shift)
    assert np.array_equal(integers(got), ops.gelu_gate(g, u, fraction, shift))


caps = st.integers(1, INT32_MAX) | st.integers(1, 31).map(lambda bits: 2**bits - 1)


@given(seeds, caps)
def test_softcap(seed: int, cap: int) -> None:
    x = int32(np.random.default_rng(seed), 6, 200)
    made = Softcap.of(cap)
    got = integers(kernels.softcap(floats(x), made))
    assert np.array_equal(got, ops.softcap(x, made.cap, made.mantissa, made.shift))
    assert np.abs(got[x != MASKED]).max(initial=0) <= cap


@pytest.mark.parametrize("op", [Op.SILU_GATE, Op.GELU_GATE, Op.SOFTCAP], ids=lambda op: op.name)
def test_golden_vectors(op: Op) -> None:
    for case in vectors.load(op):
        inputs = [floats(np.array(x)) for x in case["inputs"]]
        if op == Op.SOFTCAP:
            got = kernels.softcap(*inputs, Softcap(*case["params"]))
        else:
            got = getattr(kernels, op.name.lower())(*inputs, *case["params"])
        assert integers(got).tolist() == case["output"]
