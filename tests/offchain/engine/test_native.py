"""The native kernels give the reference's bits on every instruction set that this machine has."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.core.errors import ConfigError, EnvironmentMissing
from assay.core.types import Op, SamplingParams
from assay.engine.backends import make_backend
from assay.engine.backends.base import Segment
from assay.engine.backends.native_cpu import GRANULE, NativeBackend, NativeRows
from assay.engine.backends.torch_cpu import TorchBackend
from assay.engine.engine import Engine
from assay.engine.native import build, library
from assay.exact import ops
from assay.exact.fixed import INT32_MAX, INT32_MIN, Ints
from assay.exact.model import ExactModel, Layer, Linear, Norm, Softcap
from tests.offchain.engine.test_kernels import caps, int32, quantised, seeds
from tests.support import vectors
from tests.support.models import FULL, SMALL, UNCAPPED, random_model, with_digits

ISAS = library.isas() if library.available() else []
pytestmark = pytest.mark.skipif(not ISAS, reason="no native kernels: there is no C++ compiler")
TINY = replace(SMALL, vocab=8, hidden=8, layers=1, heads=1, kv_heads=1, head_dim=8, intermediate=8)
BASE = random_model(TINY)
FEW = settings(max_examples=25)
digits = st.sampled_from([8, 16])


def backend(isa: str, model: ExactModel = BASE, threads: int = 1) -> NativeBackend:
    return NativeBackend(model, isa, threads)


@pytest.fixture(scope="module", params=ISAS)
def native(request: pytest.FixtureRequest) -> NativeBackend:
    """Each instruction set, on two threads."""
    return backend(request.param, threads=2)


def tensor(x: Ints) -> torch.Tensor:
    return torch.from_numpy(x.astype(np.int32))


def same(rows: NativeRows, expected: Ints, bits: int = 16) -> bool:
    """Whether rows are the quantised form of `expected`."""
    a, e = quantised(expected, bits)
    assert np.array_equal(rows.exponents.numpy(), e)
    assert np.array_equal(rows.values.numpy(), a)
    return True


def rows_of(native: NativeBackend, a: Ints, e: Ints, bits: int = 16) -> NativeRows:
    """Rows of given integers and exponents, which need not be each other's."""
    count, width = a.shape
    rows = NativeRows(count, width, native.kernels.digit_planes, bits)
    rows.count = count
    wide = np.zeros((count, -(-width // GRANULE) * GRANULE), dtype=np.int64)
    wide[:, :width] = a
    high = (wide + 128) >> 8
    planes = [high, wide - 256 * high] if bits == 16 else [wide]
    if native.kernels.digit_planes:
        raw = np.concatenate(planes, axis=1).astype(np.int8).view(np.uint8)
    else:
        raw = wide.astype(np.int16).view(np.uint8)
    rows._values.copy_(torch.from_numpy(raw))
    rows._exponents.copy_(torch.from_numpy(e[:, 0].astype(np.int32)))
    sums = np.stack([plane.sum(1) for plane in planes], axis=1)
    rows._sums.copy_(torch.from_numpy(sums.astype(np.int32)))
    return rows


def linear(weight: Ints, mantissa: Ints, shift: Ints) -> Linear:
    return Linear(weight.astype(np.int8), mantissa.astype(np.int32), shift.astype(np.int32))


@given(
    seed=seeds,
    width=st.sampled_from([1, 2, 7, 63, 64, 65, 640]),
    count=st.integers(1, 33),
    bits=digits,
)
def test_quantise(native: NativeBackend, seed: int, width: int, count: int, bits: int) -> None:
    x = int32(np.random.default_rng(seed), count, width)
    assert same(native.quantise(tensor(x), bits), x, bits)


@pytest.mark.parametrize("bits", [8, 16])
def test_quantise_at_every_power(native: NativeBackend, bits: int) -> None:
    """Peaks around each power of two, of both signs, with the margin's edge."""
    peaks = {
        sign * (base + d)
        for bits in range(32)
        for base in (1 << bits, (1 << bits) * 128 // 129)
        for d in range(-3, 4)
        for sign in (1, -1)
    } | {INT32_MIN, INT32_MAX, 0}
    x = np.array([[max(min(p, INT32_MAX), INT32_MIN), 1, -1, 0] for p in sorted(peaks)])
    assert same(native.quantise(tensor(x), bits), x, bits)


@given(
    seed=seeds,
    width=st.sampled_from([1, 2, 7, 64, 641]),
    eps=st.sampled_from([0, 1, 703687, 2**48, 2**58]),
    shift=st.integers(-3, 62),
    bits=digits,
)
def test_norm(
    native: NativeBackend, seed: int, width: int, eps: int, shift: int, bits: int
) -> None:
    rng = np.random.default_rng(seed)
    x, gain = int32(rng, 9, width), int32(rng, 1, width)
    e = ops.exponent(x)
    expected = ops.norm(x, e, ops.rms(x, e, eps), gain, shift)
    weights = native.prepare_norm(Norm(gain[0].astype(np.int32), shift, eps), bits)
    assert same(native.norm(tensor(x), weights), expected, bits)


@given(
    seed=seeds,
    count=st.integers(1, 33),
    width=st.sampled_from([1, 2, 3, 5, 63, 64, 65, 640, 1030, 2100]),
    outputs=st.sampled_from([1, 15, 16, 17, 64, 65, 130]),
    low=st.integers(-40, 70),
    bits=digits,
)
def test_linear(
    native: NativeBackend, seed: int, count: int, width: int, outputs: int, low: int, bits: int
) -> None:
    rng = np.random.default_rng(seed)
    a, e = quantised(int32(rng, count, width), bits)
    weight = rng.integers(-128, 128, (outputs, width))
    weight[0], weight[-1] = -128, 127
    mantissa = rng.integers(2**15, 2**16, outputs)
    shift = rng.integers(low, low + 30, outputs)
    prepared = native.prepare_linear(linear(weight, mantissa, shift))
    expected = ops.linear(a, e, weight, mantissa, shift)
    rows = rows_of(native, a, e, bits)
    assert np.array_equal(rows.values.numpy(), a)
    assert np.array_equal(native.linear(rows, prepared).numpy(), expected)
    residual = int32(rng, count, outputs)
    onto = tensor(residual)
    assert native.linear(rows, prepared, onto=onto) is onto
    assert np.array_equal(onto.numpy(), ops.add(residual, expected))


@pytest.mark.parametrize("width", [2**17 - 1, 2**17 - 4, 2**14])
@pytest.mark.parametrize(
    ("value", "bits"),
    [*((v, 16) for v in (32515, -32515, 32639, -32640, 127, -128, 128)), (127, 8), (-127, 8)],
)
def test_linear_at_its_bound(native: NativeBackend, width: int, value: int, bits: int) -> None:
    """Every product at its extreme: a plane's sum comes as near to 2**31 as it can."""
    a = np.full((7 if bits == 8 else 4, width), value)
    a[1, ::2] = 0
    e = np.array([[-15], [0], [17], [3], [25], [-7], [1]])[: len(a)]
    weight = np.full((3, width), -128)
    weight[1], weight[2, 1::2] = 127, 127
    mantissa, shift = np.array([2**16 - 1, 2**15, 40000]), np.array([22, 25, 40])
    prepared = native.prepare_linear(linear(weight, mantissa, shift))
    got = native.linear(rows_of(native, a, e, bits), prepared)
    expected = ops.linear_finish(a @ weight.T, e, mantissa[None], shift[None])
    assert np.array_equal(got.numpy(), expected)


def test_linear_golden_vectors(native: NativeBackend) -> None:
    for case in vectors.load(Op.LINEAR):
        a, e = (np.array(x) for x in case["inputs"])
        weight, scale = (np.array(t) for t in case["tensors"])
        prepared = native.prepare_linear(linear(weight, scale[:, 0], scale[:, 1]))
        bits = 8 * case.get("input_bytes", [2])[0]
        assert native.linear(rows_of(native, a, e, bits), prepared).tolist() == case["output"]


def with_layer(**changes: object) -> ExactModel:
    layer: Layer = replace(BASE.layers[0], **changes)  # type: ignore[arg-type]
    return replace(BASE, layers=(layer,))


GATES = {"silu": ops.silu_gate, "gelu_pytorch_tanh": ops.gelu_gate}
activations = pytest.mark.parametrize("activation", GATES)


def gated(
    isa: str,
    activation: str,
    gate: Ints,
    up: Ints,
    fraction: int,
    shift: int,
    threads: int,
    bits: int = 16,
) -> Ints:
    """The native product, before and after it is quantised."""
    model = with_layer(gate_fraction=fraction, product_shift=shift, product_bits=bits)
    shape = replace(model.shape, intermediate=gate.shape[1], activation=activation)
    wide = replace(model, shape=shape)
    native = backend(isa, wide, threads)
    rows = native.gate(0, tensor(np.concatenate([gate, up], axis=1)))
    product: Ints = native._memory.output(*gate.shape).numpy().astype(np.int64)
    assert same(rows, product, bits)
    return product


@pytest.mark.parametrize("isa", ISAS)
@activations
@FEW
@given(
    seed=seeds,
    size=st.tuples(st.sampled_from([1, 2, 5]), st.sampled_from([1, 7, 8, 203])),
    fraction=st.integers(0, 30),
    shift=st.integers(-10, 50),
    threads=st.sampled_from([1, 2]),
    bits=digits,
)
def test_gate(
    isa: str,
    activation: str,
    seed: int,
    size: tuple[int, int],
    fraction: int,
    shift: int,
    threads: int,
    bits: int,
) -> None:
    rng = np.random.default_rng(seed)
    g, u = int32(rng, *size), int32(rng, *size)
    expected = GATES[activation](g, u, fraction, shift)
    assert np.array_equal(gated(isa, activation, g, u, fraction, shift, threads, bits), expected)


@pytest.mark.parametrize("isa", ISAS)
@activations
def test_gate_golden_vectors(isa: str, activation: str) -> None:
    for case in vectors.load(Op[GATES[activation].__name__.upper()]):
        g, u = (np.array(x) for x in case["inputs"])
        assert gated(isa, activation, g, u, *case["params"], threads=1).tolist() == case["output"]


def capped(isa: str, x: Ints, cap: Softcap, threads: int = 1) -> Ints:
    native = backend(isa, replace(BASE, logit_cap=cap), threads)
    result: Ints = native.cap(tensor(x)).numpy().astype(np.int64)
    return result


@pytest.mark.parametrize("isa", ISAS)
@FEW
@given(seed=seeds, width=st.sampled_from([1, 7, 8, 203, 9000]), cap=caps)
def test_softcap(isa: str, seed: int, width: int, cap: int) -> None:
    x = int32(np.random.default_rng(seed), 3, width)
    made = Softcap.of(cap)
    expected = ops.softcap(x, made.cap, made.mantissa, made.shift)
    assert np.array_equal(capped(isa, x, made, threads=1 + seed % 2), expected)


@pytest.mark.parametrize("isa", ISAS)
def test_softcap_golden_vectors(isa: str) -> None:
    for case in vectors.load(Op.SOFTCAP):
        found = capped(isa, np.array(case["inputs"][0]), Softcap(*case["params"]))
        assert found.tolist() == case["output"]


@given(seed=seeds, width=st.sampled_from([1, 7, 64, 641]), shift=st.integers(-3, 62))
def test_norm_onto(native: NativeBackend, seed: int, width: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    x, onto, gain = int32(rng, 9, width), int32(rng, 9, width), int32(rng, 1, width)
    e = ops.exponent(x)
    expected = ops.add(onto, ops.norm(x, e, ops.rms(x, e, 3), gain, shift))
    weights = native.prepare_norm(Norm(gain[0].astype(np.int32), shift, 3))
    residual = tensor(onto)
    assert native.norm_onto(tensor(x), weights, residual) is residual
    assert np.array_equal(residual.numpy(), expected)


def attention_model(
    heads: int, kv_heads: int, head_dim: int, rng: np.random.Generator
) -> ExactModel:
    shape = replace(TINY, heads=heads, kv_heads=kv_heads, head_dim=head_dim)
    rope = rng.integers(-(2**15), 2**15, (shape.context, head_dim)).astype(np.int16)
    layer = replace(
        BASE.layers[0],
        v_shift=int(rng.integers(-5, 20)),
        score_mantissa=int(rng.integers(2**15, 2**16)),
        score_shift=int(rng.integers(0, 60)),
        o_input_bits=int(rng.choice([8, 16])),
    )
    return replace(BASE, shape=shape, rope=rope, layers=(layer,))


def reference_attention(model: ExactModel, qkv: Ints) -> Ints:
    s, layer, n = model.shape, model.layers[0], len(qkv)
    table = model.rope.astype(np.int64)
    wide, narrow = s.heads * s.head_dim, s.kv_heads * s.head_dim
    q, eq = quantised(ops.rope(qkv[:, :wide], table, s.heads))
    k, ek = quantised(ops.rope(qkv[:, wide : wide + narrow], table, s.kv_heads))
    v = ops.transpose(qkv[:, wide + narrow :], layer.v_shift)
    scores = ops.scores(q, eq, k, ek, layer.score_mantissa, layer.score_shift, s.heads, s.kv_heads)
    p = ops.exp2(scores, ops.rowmax(scores))
    assert p.shape == (n * s.heads, n)
    return ops.attend(p, v, ops.rowsum(p), s.heads, s.kv_heads)


def attention(native: NativeBackend, qkv: Ints, cuts: list[int], pages: list[int]) -> Ints:
    """Mixed values (T, H * hd), from passes over the parts between `cuts`."""
    cache, parts = native.new_cache(max(pages) + 1), []
    for start, end in zip([0, *cuts], [*cuts, len(qkv)], strict=True):
        run = native.begin(cache, [Segment(pages, start, [0] * (end - start))])
        rows = native.attend(0, native.store(0, tensor(qkv[start:end]), run), run)
        mixed = run._memory[2][: end - start].numpy().astype(np.int64)
        assert same(rows, mixed, native.layers[0].scalars.o_input_bits)
        parts.append(mixed)
    return np.concatenate(parts)


@pytest.mark.parametrize("isa", ISAS)
@settings(max_examples=40)
@given(
    seed=seeds,
    heads=st.sampled_from([(1, 1), (4, 2), (6, 1), (3, 3)]),
    head_dim=st.sampled_from([2, 6, 16, 34, 64, 128, 512]),
    n=st.one_of(st.integers(1, 80), st.sampled_from([128, 129, 200])),
    data=st.data(),
)
def test_attention(
    isa: str, seed: int, heads: tuple[int, int], head_dim: int, n: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    model = attention_model(*heads, head_dim, rng)
    qkv = int32(rng, n, (heads[0] + 2 * heads[1]) * head_dim)
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1), max_size=3))) if n > 1 else []
    native = backend(isa, model, threads=1 + seed % 2)
    pages = rng.permutation(8).tolist()
    found = attention(native, qkv, cuts, pages)
    assert np.array_equal(found, reference_attention(model, qkv))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("head_dim", [2, 512])
def test_attention_at_its_extremes(isa: str, head_dim: int) -> None:
    """Every digit product of one sign, over more positions than an int32 sum holds."""
    rng = np.random.default_rng(head_dim)
    model = attention_model(1, 1, head_dim, rng)
    layer = replace(model.layers[0], v_shift=0, score_shift=90)  # all numerators at their peak
    model = replace(model, layers=(layer,), rope=np.full_like(model.rope, 2**14))
    model.rope[:, head_dim // 2 :] = 0
    for value in (INT32_MIN, INT32_MAX, 32515, -32640, 127, 128):
        qkv = np.full((1100, 3 * head_dim), value)
        expected = reference_attention(model, qkv)
        for pages in (list(range(18)), [*range(9, 18), *range(9)], list(range(18))[::-1]):
            found = attention(backend(isa, model, threads=2), qkv, [1099], pages)
            assert np.array_equal(found, expected)


def engines(model: ExactModel) -> Iterator[tuple[str, Engine]]:
    for isa in ISAS:
        for threads in (1, 2):
            made = partial(NativeBackend, isa=isa, threads=threads, pin=threads == 2)
            yield f"{isa}, {threads} threads", Engine(model, backend=made)


# All that families add; and windows shorter than a page, as long as one, and longer than two.
FEATURES = replace(FULL, layers=6, windows=(5, 64, 200, 0, 0, 0))
MODELS = pytest.mark.parametrize(
    "model",
    [
        random_model(SMALL),
        random_model(replace(UNCAPPED, layers=4, windows=(5, 64, 200, 0))),
        random_model(FEATURES),
        with_digits(random_model(FEATURES)),
    ],
    ids=["plain", "features of Llama's relatives", "every feature", "8 bits in places"],
)


@MODELS
@pytest.mark.parametrize("length", [1, 2, 65, 515])
def test_whole_passes_equal_torch(length: int, model: ExactModel) -> None:
    tokens = np.random.default_rng(length).integers(0, model.shape.vocab, length).tolist()
    expected = Engine(model, backend=TorchBackend).logits(tokens)
    for name, engine in engines(model):
        assert np.array_equal(engine.logits(tokens), expected), name


def test_the_shipped_model_equals_torch(shipped_model: ExactModel) -> None:
    tokens = np.random.default_rng(5).integers(0, shipped_model.shape.vocab, 130).tolist()
    expected = Engine(shipped_model, backend="torch").logits(tokens)
    for name, engine in engines(shipped_model):
        assert np.array_equal(engine.logits(tokens), expected), name


@MODELS
def test_decoding_equals_torch(model: ExactModel) -> None:
    """Batches of requests that come and go, over a cache that grows."""
    prompts = [list(range(1, 2 + 7 * i)) for i in range(9)]
    expected = None
    for backend_of in (TorchBackend, *(partial(NativeBackend, isa=isa, threads=2) for isa in ISAS)):
        engine = Engine(model, backend=backend_of)
        batch, waiting, outputs = engine.batch(4), list(prompts), {}
        while waiting or len(batch):
            while waiting and not batch.full:
                request = batch.add(waiting.pop(), SamplingParams(20 + len(waiting)))
                outputs[request] = []
            for emitted in batch.step():
                outputs[emitted.request].append(emitted.token)
        expected = expected or outputs
        assert outputs == expected


def test_one_backend_serves_several_threads() -> None:
    """A pool that another thread has taken is done without; results do not mix."""
    model = random_model()
    engine = Engine(model, backend=partial(NativeBackend, threads=2))
    inputs = [np.random.default_rng(i).integers(0, 1100, 150).tolist() for i in range(4)]
    expected = [engine.logits(tokens) for tokens in inputs]
    wrong: list[int] = []

    def check(index: int) -> None:
        for _ in range(5):
            if not np.array_equal(engine.logits(inputs[index]), expected[index]):
                wrong.append(index)

    threads = [threading.Thread(target=check, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not wrong


@pytest.fixture
def unbuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """No library has been built or loaded yet."""
    monkeypatch.setenv("ASSAY_NATIVE_DIR", str(tmp_path / "native"))
    library.load.cache_clear()
    library.available.cache_clear()
    yield tmp_path / "native"
    library.load.cache_clear()
    library.available.cache_clear()


def broken_compiler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = folder / "broken-c++"
    script.write_text("#!/bin/sh\necho no such option >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))


@pytest.mark.parametrize("compiler", ["missing", "broken"])
def test_torch_takes_over(
    compiler: str,
    unbuilt: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if compiler == "missing":
        monkeypatch.setenv("CXX", "no-such-compiler")
    else:
        broken_compiler(tmp_path, monkeypatch)
    with caplog.at_level(logging.WARNING):
        assert [make_backend(BASE).name for _ in range(3)] == ["torch"] * 3
    assert len(caplog.records) == 1 and "torch computes instead" in caplog.text
    with pytest.raises(EnvironmentMissing, match=r"no such option|no C"):
        make_backend(BASE, "native")
    assert not list(unbuilt.glob("*.so"))


def test_a_damaged_library_is_refused(unbuilt: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = build.library_path()
    path.parent.mkdir()
    path.write_bytes(b"not a library")
    assert make_backend(BASE).name == "torch"
    assert "delete it to build it again" in caplog.text


def test_a_build_leaves_one_file_named_by_its_sources(
    unbuilt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build.build()
    assert list(unbuilt.iterdir()) == [path]
    monkeypatch.setattr(build, "find_compiler", lambda: None)
    assert build.build() == path
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, "-g"))
    assert build.library_path() != path


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match="portable"):
        NativeBackend(BASE, isa="avx1024")
    with pytest.raises(ConfigError, match="must be"):
        make_backend(BASE, "cuda")  # type: ignore[arg-type]
