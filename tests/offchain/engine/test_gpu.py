"""The Triton kernels give the reference's bits: on a GPU where there is one, or else under Triton's
interpreter, which runs the same programs one after the other in NumPy."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch

pytest.importorskip("triton")

from assay.core.errors import ConfigError, EnvironmentMissing
from assay.core.types import Op, SamplingParams
from assay.engine.backends import backend_for, make_backend
from assay.engine.backends.base import Segment
from assay.engine.backends.torch_cpu import TorchBackend
from assay.engine.backends.triton_gpu import GpuBackend, GpuRows
from assay.engine.engine import Engine
from assay.engine.forward import Decoder
from assay.engine.gpu import device as devices
from assay.exact import ops
from assay.exact.fixed import INT32_MAX, INT32_MIN, Ints
from assay.exact.model import ExactModel, Layer, Linear, Norm, Softcap
from tests.offchain.engine.test_kernels import int32, quantised
from tests.support import vectors
from tests.support.models import FULL, SMALL, random_model, with_digits

TINY = replace(SMALL, vocab=8, hidden=8, layers=1, heads=1, kv_heads=1, head_dim=8, intermediate=8)
BASE = random_model(TINY)
HELD: list[devices.Held] = ["int8", "float16"]
if torch.cuda.is_available():
    HELD.append("bfloat16")  # which the interpreter multiplies as the integers of its bits
digits = pytest.mark.parametrize("bits", [16, 8])
on_device = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


@pytest.fixture(scope="module", params=HELD)
def gpu(request: pytest.FixtureRequest) -> GpuBackend:
    """Each form in which tensor cores can multiply digits."""
    return GpuBackend(BASE, request.param)


@pytest.fixture(scope="module")
def plain() -> GpuBackend:
    return GpuBackend(BASE)


def tensor(x: Ints, backend: GpuBackend) -> torch.Tensor:
    return torch.from_numpy(x.astype(np.int32)).to(backend.device)


def numbers(x: torch.Tensor) -> Ints:
    found: Ints = x.cpu().numpy().astype(np.int64)
    return found


def same(rows: GpuRows, expected: Ints, bits: int = 16) -> bool:
    """Whether rows are the quantised form of `expected`."""
    a, e = quantised(expected, bits)
    assert np.array_equal(numbers(rows.exponents), e)
    assert np.array_equal(numbers(rows.values), a)
    return True


def rows_of(backend: GpuBackend, a: Ints, e: Ints, bits: int = 16) -> GpuRows:
    """Rows of given integers and exponents, which need not be each other's."""
    high = (a + 128) >> 8
    planes = [a] if bits == 8 else [high, a - 256 * high]
    digits = np.stack(planes, axis=1).astype(np.int8)
    return GpuRows(torch.from_numpy(digits).to(backend.device), tensor(e[:, 0], backend))


def linear(weight: Ints, mantissa: Ints, shift: Ints, bias: Ints | None = None) -> Linear:
    row = None if bias is None else bias.astype(np.int32)
    return Linear(weight.astype(np.int8), mantissa.astype(np.int32), shift.astype(np.int32), row)


@pytest.mark.parametrize(("width", "bits"), [(1, 8), (7, 16), (64, 8), (1024, 16), (2500, 8)])
def test_quantise(plain: GpuBackend, width: int, bits: int) -> None:
    x = int32(np.random.default_rng(width), 9, width)
    assert same(plain.quantise(tensor(x, plain), bits), x, bits)


@digits
def test_quantise_at_every_power(plain: GpuBackend, bits: int) -> None:
    """Peaks around each power of two, of both signs, with the margin's edge."""
    peaks = {
        sign * (base + d)
        for bits in range(0, 32, 3)
        for base in (1 << bits, (1 << bits) * 128 // 129)
        for d in (-1, 0, 1)
        for sign in (1, -1)
    } | {INT32_MIN, INT32_MAX, 0}
    x = np.array([[max(min(p, INT32_MAX), INT32_MIN), 1, -1, 0] for p in sorted(peaks)])
    assert same(plain.quantise(tensor(x, plain), bits), x, bits)


@pytest.mark.parametrize(
    ("width", "eps", "shift"),
    [(1, 0, 20), (2, 1, 62), (7, 703687, 35), (64, 2**48, -3), (641, 2**58, 40), (2049, 0, 0)],
)
def test_norm(plain: GpuBackend, width: int, eps: int, shift: int) -> None:
    rng = np.random.default_rng(width)
    x, gain = int32(rng, 9, width), int32(rng, 1, width)
    e = ops.exponent(x)
    expected = ops.norm(x, e, ops.rms(x, e, eps), gain, shift)
    for bits in (16, 8):
        weights = plain.prepare_norm(Norm(gain[0].astype(np.int32), shift, eps), bits)
        assert same(plain.norm(tensor(x, plain), weights), expected, bits)
    residual = int32(rng, 9, width)
    onto = tensor(residual, plain)
    assert plain.norm_onto(tensor(x, plain), weights, onto) is onto
    assert np.array_equal(numbers(onto), ops.add(residual, expected))


@pytest.mark.parametrize(
    ("count", "width", "outputs", "low", "bits"),
    [
        (1, 1, 1, 0, 16), (1, 640, 130, 20, 16), (2, 65, 16, -40, 8), (3, 2100, 17, 30, 16),
        (8, 64, 65, 70, 16), (9, 63, 64, 10, 8), (16, 512, 33, 25, 16), (32, 130, 15, 22, 8),
        (33, 5, 64, -10, 16), (40, 640, 200, 24, 8), (70, 1030, 130, 28, 16),
    ],
)  # fmt: skip
def test_linear(gpu: GpuBackend, count: int, width: int, outputs: int, low: int, bits: int) -> None:
    """Few rows and many, sizes that fill programs and that do not; then with bias, and added."""
    rng = np.random.default_rng(count)
    a, e = quantised(int32(rng, count, width), bits)
    weight = rng.integers(-128, 128, (outputs, width))
    weight[0], weight[-1] = -128, 127
    mantissa = rng.integers(2**15, 2**16, outputs)
    shift = rng.integers(low, low + 30, outputs)
    bias = int32(rng, 1, outputs)
    expected = ops.linear(a, e, weight, mantissa, shift)
    rows = rows_of(gpu, a, e, bits)
    got = gpu.linear(rows, gpu.prepare_linear(linear(weight, mantissa, shift)))
    assert np.array_equal(numbers(got), expected)
    residual = int32(rng, count, outputs)
    onto = tensor(residual, gpu)
    prepared = gpu.prepare_linear(linear(weight, mantissa, shift, bias[0]))
    assert gpu.linear(rows, prepared, onto=onto) is onto
    assert np.array_equal(numbers(onto), ops.add(residual, ops.bias(expected, bias)))


@pytest.mark.parametrize("count", [4, 36])
@pytest.mark.parametrize(
    ("value", "bits"), [(32515, 16), (-32640, 16), (127, 16), (-128, 16), (127, 8), (-127, 8)]
)
def test_linear_at_its_bound(gpu: GpuBackend, value: int, bits: int, count: int) -> None:
    """Every product at its extreme: a plane's sum comes as near to 2**31 as it can."""
    width = 2**17 - 1 if count == 4 else 2**14
    a = np.full((count, width), value)
    a[1, ::2] = 0
    e = np.arange(count)[:, None] % 33 - 15
    weight = np.full((3, width), -128)
    weight[1], weight[2, 1::2] = 127, 127
    mantissa, shift = np.array([2**16 - 1, 2**15, 40000]), np.array([22, 25, 40])
    prepared = gpu.prepare_linear(linear(weight, mantissa, shift))
    expected = ops.linear_finish(a @ weight.T, e, mantissa[None], shift[None])
    assert np.array_equal(numbers(gpu.linear(rows_of(gpu, a, e, bits), prepared)), expected)


def test_linear_golden_vectors(gpu: GpuBackend) -> None:
    for case in vectors.load(Op.LINEAR):
        a, e = (np.array(x) for x in case["inputs"])
        weight, scale = (np.array(t) for t in case["tensors"])
        prepared = gpu.prepare_linear(linear(weight, scale[:, 0], scale[:, 1]))
        assert gpu.linear(rows_of(gpu, a, e), prepared).tolist() == case["output"]


def with_layer(**changes: object) -> ExactModel:
    layer: Layer = replace(BASE.layers[0], **changes)  # type: ignore[arg-type]
    return replace(BASE, layers=(layer,))


GATES = {"silu": ops.silu_gate, "gelu_pytorch_tanh": ops.gelu_gate}
activations = pytest.mark.parametrize("activation", GATES)


def gated(activation: str, gate: Ints, up: Ints, fraction: int, shift: int, bits: int = 16) -> Ints:
    """The kernel's product, before and after it is quantised."""
    model = with_layer(gate_fraction=fraction, product_shift=shift, product_bits=bits)
    count, width = gate.shape
    shape = replace(model.shape, intermediate=width, activation=activation)
    backend = GpuBackend(replace(model, shape=shape))
    rows = backend.gate(0, tensor(np.concatenate([gate, up], axis=1), backend))
    product = numbers(backend._memory.of("products", count, width))
    assert same(rows, product, bits)
    return product


@activations
@pytest.mark.parametrize(
    ("count", "width", "fraction", "shift", "bits"),
    [(1, 1, 0, -10, 16), (2, 7, 16, 14, 8), (5, 203, 30, 50, 8), (3, 1030, 11, 20, 16)],
)
def test_gate(
    activation: str, count: int, width: int, fraction: int, shift: int, bits: int
) -> None:
    rng = np.random.default_rng(width)
    g, u = int32(rng, count, width), int32(rng, count, width)
    expected = GATES[activation](g, u, fraction, shift)
    assert np.array_equal(gated(activation, g, u, fraction, shift, bits), expected)


@activations
def test_gate_golden_vectors(activation: str) -> None:
    for case in vectors.load(Op[GATES[activation].__name__.upper()]):
        g, u = (np.array(x) for x in case["inputs"])
        assert gated(activation, g, u, *case["params"]).tolist() == case["output"]


@pytest.mark.parametrize("cap", [1, 50 << 16, 2**31 - 1])
def test_cap(cap: int) -> None:
    softcap = Softcap.of(cap)
    backend = GpuBackend(replace(BASE, logit_cap=softcap))
    x = int32(np.random.default_rng(cap), 3, 701)
    expected = ops.softcap(x, softcap.cap, softcap.mantissa, softcap.shift)
    logits = tensor(x, backend)
    assert backend.cap(logits) is logits
    assert np.array_equal(numbers(logits), expected)


def attention_model(
    heads: int, kv_heads: int, head_dim: int, window: int, cap: int, rng: np.random.Generator
) -> ExactModel:
    shape = replace(TINY, heads=heads, kv_heads=kv_heads, head_dim=head_dim)
    rope = rng.integers(-(2**15), 2**15, (shape.context, head_dim)).astype(np.int16)
    layer = replace(
        BASE.layers[0],
        v_shift=int(rng.integers(-5, 20)),
        score_mantissa=int(rng.integers(2**15, 2**16)),
        score_shift=int(rng.integers(0, 60)),
        window=window,
        score_cap=Softcap.of(cap) if cap else None,
        o_input_bits=8 if cap else 16,
    )
    return replace(BASE, shape=shape, rope=rope, layers=(layer,))


def reference_attention(model: ExactModel, qkv: Ints) -> Ints:
    s, layer, n = model.shape, model.layers[0], len(qkv)
    table = model.rope.astype(np.int64)
    wide, narrow = s.heads * s.head_dim, s.kv_heads * s.head_dim
    q, eq = quantised(ops.rope(qkv[:, :wide], table, s.heads))
    k, ek = quantised(ops.rope(qkv[:, wide : wide + narrow], table, s.kv_heads))
    v = ops.transpose(qkv[:, wide + narrow :], layer.v_shift)
    scores = ops.scores(
        q, eq, k, ek, layer.score_mantissa, layer.score_shift, s.heads, s.kv_heads, layer.window
    )
    if cap := layer.score_cap:
        scores = ops.softcap(scores, cap.cap, cap.mantissa, cap.shift)
    p = ops.exp2(scores, ops.rowmax(scores))
    assert p.shape == (n * s.heads, n)
    return ops.attend(p, v, ops.rowsum(p), s.heads, s.kv_heads)


def attention(backend: GpuBackend, qkv: Ints, cuts: list[int], pages: list[int]) -> Ints:
    """Mixed values (T, H * hd), from passes over the parts between `cuts`."""
    cache, parts = backend.new_cache(max(pages) + 1), []
    for start, end in zip([0, *cuts], [*cuts, len(qkv)], strict=True):
        run = backend.begin(cache, [Segment(pages, start, [0] * (end - start))])
        rows = backend.attend(0, backend.store(0, tensor(qkv[start:end], backend), run), run)
        mixed = numbers(cache.memory.of("mixed", end - start, rows.digits.shape[2]))
        assert same(rows, mixed, 8 * rows.planes)
        parts.append(mixed)
    return np.concatenate(parts)


@pytest.mark.parametrize(
    ("held", "heads", "kv_heads", "head_dim", "n", "cuts", "window", "cap"),
    [
        ("int8", 1, 1, 2, 3, [], 0, 0),
        ("int8", 4, 2, 16, 66, [65], 0, 0),  # a page more, and a row in parts of the context
        ("float16", 3, 1, 34, 6, [2, 3], 2, 50 << 16),
        ("int8", 3, 3, 64, 5, [], 3, 0),
        ("float16", 2, 1, 128, 67, [66], 0, 9),
        ("int8", 1, 1, 6, 132, [130, 131], 65, 0),  # pages before the window are not read
    ],
)
def test_attention(
    held: devices.Held,
    heads: int,
    kv_heads: int,
    head_dim: int,
    n: int,
    cuts: list[int],
    window: int,
    cap: int,
) -> None:
    rng = np.random.default_rng(head_dim)
    model = attention_model(heads, kv_heads, head_dim, window, cap, rng)
    qkv = int32(rng, n, (heads + 2 * kv_heads) * head_dim)
    pages = rng.permutation(4).tolist()
    found = attention(GpuBackend(model, held), qkv, cuts, pages)
    assert np.array_equal(found, reference_attention(model, qkv))


@pytest.mark.parametrize("value", [INT32_MIN, 128])
def test_attention_at_its_extremes(value: int) -> None:
    """Every digit product of one sign."""
    model = attention_model(1, 1, 32, 0, 0, np.random.default_rng(3))
    layer = replace(model.layers[0], v_shift=0, score_shift=90)  # all numerators at their peak
    model = replace(model, layers=(layer,), rope=np.full_like(model.rope, 2**14))
    model.rope[:, 16:] = 0
    qkv = np.full((66, 96), value)
    found = attention(GpuBackend(model), qkv, [65], [2, 0])
    assert np.array_equal(found, reference_attention(model, qkv))


def test_a_context_is_cut_so_that_sums_fit() -> None:
    backend = GpuBackend(BASE)
    assert [backend._splits(1, pages, False) for pages in (1, 512, 513, 2048)] == [1, 1, 2, 4]
    assert [backend._splits(1, pages, True) for pages in (1, 3, 200)] == [1, 4, 256]
    assert backend._splits(32, 200, True) == devices.PROGRAMS // 32
    assert backend._splits(10_000, 2048, True) == 4


FEATURES = replace(
    FULL, vocab=300, hidden=48, heads=3, kv_heads=1, intermediate=70, windows=(40, 0)
)


@pytest.mark.parametrize(
    "model",
    [
        random_model(replace(SMALL, vocab=300, intermediate=70)),
        with_digits(random_model(FEATURES)),
    ],
    ids=["plain", "every feature, 8 bits in places"],
)
def test_whole_passes_equal_torch(model: ExactModel) -> None:
    """Prompts and single rows, over pages in any order, in one pass and in several."""
    tokens = np.random.default_rng(1).integers(0, model.shape.vocab, 80).tolist()
    passes = [
        [Segment([2, 0], 0, tokens[:21])],
        [Segment([2, 0], 21, tokens[21:22]), Segment([1], 0, tokens[:1])],
        [Segment([2, 0], 22, tokens[22:27]), Segment([1], 1, tokens[1:2])],
    ]
    outcomes = []
    for backend in (TorchBackend(model), GpuBackend(model)):
        decoder = Decoder(backend)
        cache = decoder.new_cache(3)
        found = [decoder.hidden(cache, part).clone() for part in passes]
        found.append(decoder.logits(found[-1].clone()))
        outcomes.append([part.to(torch.int64).cpu() for part in found])
    for expected, found in zip(*outcomes, strict=True):
        assert torch.equal(expected, found)


def test_requests_equal_torch() -> None:
    """Greedy and drawn, together, through the engine's own door."""
    model = random_model(replace(FEATURES, layers=1, windows=(0,)))
    warm = SamplingParams(3, inv_temperature=1 << 16, seed=bytes(32))
    outputs = []
    for backend in ("torch", "triton"):
        engine = Engine(model, backend=backend, slots=2, positions=256)  # type: ignore[arg-type]
        streams = [engine.generate([1, 2, 3], SamplingParams(3)), engine.generate([4], warm)]
        outputs.append([list(stream) for stream in streams])
    assert outputs[0] == outputs[1]
    assert engine.memory is not None and engine.memory.cache == 4 * 64 * (4 * 16 + 1)


@on_device
@pytest.mark.parametrize("held", HELD)
def test_replayed_passes_equal_torch(held: devices.Held) -> None:
    """On the device: the first pass of a size runs, the second is recorded, the rest replayed;
    a larger batch makes memory grow and the records void."""
    model = random_model(replace(FEATURES, layers=2))
    outputs = []
    for factory in (TorchBackend, lambda m: GpuBackend(m, held)):
        batch = Engine(model, backend=factory).batch(8)
        found: dict[int, list[int]] = {}
        for start in range(8):
            found[batch.add(list(range(1, 40 + start)), SamplingParams(70))] = []
            for _ in range(9):
                for emitted in batch.step():
                    found[emitted.request].append(emitted.token)
        while len(batch):
            for emitted in batch.step():
                found[emitted.request].append(emitted.token)
        outputs.append(found)
    assert outputs[0] == outputs[1]


@on_device
@pytest.mark.parametrize("held", HELD)
def test_large_products_equal_torch(held: devices.Held) -> None:
    """On the device: the sizes of real layers, few rows and many."""
    rng = np.random.default_rng(5)
    gpu, reference = GpuBackend(BASE, held), TorchBackend(BASE)
    layer = linear(
        rng.integers(-128, 128, (4096, 14336)), rng.integers(2**15, 2**16, 4096), np.full(4096, 40)
    )
    for count in (1, 4, 16, 32, 33, 512):
        x = rng.integers(-(2**30), 2**30, (count, 14336))
        expected = reference.linear(
            reference.quantise(torch.from_numpy(x).double()), reference.prepare_linear(layer)
        )
        found = gpu.linear(gpu.quantise(tensor(x, gpu)), gpu.prepare_linear(layer))
        assert torch.equal(found.cpu().double(), expected)


def test_choice_of_product(monkeypatch: pytest.MonkeyPatch) -> None:
    device = devices.require()
    assert devices.held(torch.device("cpu")) == "int8"
    for held in get_args(devices.Held):
        monkeypatch.setenv("ASSAY_GPU_PRODUCT", held)
        assert devices.held(device) == held
    monkeypatch.setenv("ASSAY_GPU_PRODUCT", "fp8")
    with pytest.raises(ConfigError, match="'fp8'; it must be one of int8, bfloat16, float16"):
        GpuBackend(BASE)


def test_auto_takes_no_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert backend_for(BASE) in ("native", "torch")
    assert backend_for(BASE, "triton") == "triton"
    assert make_backend(BASE, "triton").name == "triton"


def test_without_a_gpu_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentMissing, match=r"needs a GPU .* take \"native\""):
        make_backend(BASE, "triton")
    monkeypatch.setattr(devices, "_has_triton", lambda: False)
    with pytest.raises(EnvironmentMissing, match="pip install triton"):
        make_backend(BASE, "triton")


def test_a_model_beyond_the_kernels_is_refused() -> None:
    wide = replace(BASE, shape=replace(TINY, head_dim=512))
    with pytest.raises(ConfigError, match=r"head size 512 .* at most 16384, 256 \(even\) and 16"):
        make_backend(wide, "triton")
