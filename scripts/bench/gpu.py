"""Speed at Llama-3-8B's shapes on a GPU: the exact engine beside transformers in bfloat16.

Random weights, both in one process, taking turns; medians. transformers has a static cache and a
compiled decoding step (CUDA graphs); its prefill is the faster of plain and compiled. The memory
roofline is the int8 weights and the keys and values that a step reads, over the bandwidth that a
copy reaches.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from assay.core.types import SamplingParams
from assay.engine.backends.base import Backend
from assay.engine.engine import Engine
from assay.engine.gpu import device as devices
from assay.engine.rope import rope_table
from assay.exact.model import DecoderShape, ExactModel, Layer, Linear, Norm
from scripts.bench.conditions import print_table, stderr
from scripts.bench.llama_shape import Sizes
from scripts.bench.worker_exact import INNER, KEPT, RESIDUAL, Exact
from scripts.bench.workers import prompts, timed

LLAMA_3_8B = Sizes(
    vocab=128_256, hidden=4096, layers=32, heads=32, kv_heads=8, head_dim=128,
    intermediate=14_336, context=4096, theta=500_000.0,
)  # fmt: skip
WEIGHT_SCALE = 1e-4
"""Of a step of int8: weights of 0.7 / sqrt(4096), about, have that range."""


@dataclass(frozen=True)
class Lengths:
    """Tokens: of the prompt that is prefilled; of the one before decoding, and decoded after it;
    requests together."""

    prefill: int = 2048
    prompt: int = 512
    tokens: int = 128
    batch: int = 32


def measure(rounds: int, sizes: Sizes = LLAMA_3_8B, lengths: Lengths | None = None) -> Any:
    """The document's part about the GPU.

    Raises:
        EnvironmentMissing: there is no GPU that torch can use, or no Triton.
    """
    from assay.engine.backends.triton_gpu import GpuBackend

    device, lengths = devices.require(), lengths or Lengths()
    stderr.print("random weights …")
    model = random_model(sizes)
    backends: dict[str, Backend] = {}
    runs: dict[str, Callable[[str], float]] = {}
    floating: devices.Held = "bfloat16" if device.type == "cuda" else "float16"
    both: tuple[devices.Held, ...] = ("int8", floating)
    for held in both:
        backends[held] = GpuBackend(model, held)
        runs[f"exact {held}"] = _task(Exact(backends[held], sizes), lengths)
    runs["transformers bfloat16"] = _task(Transformers(sizes, device), lengths)
    seconds: dict[str, dict[str, list[float]]] = {name: {} for name in runs}
    for turn in range(rounds + 1):  # the first one compiles
        for name, run in runs.items():
            stderr.print(f"round {turn} of {rounds}: {name}")
            for task in ("prefill", "decode", "batch"):
                found = run(task)
                if turn:
                    seconds[name].setdefault(task, []).append(found)
    rates = {
        name: {task: _tokens(task, lengths) / statistics.median(s) for task, s in found.items()}
        for name, found in seconds.items()
    }
    bandwidth = copy_bandwidth(device)
    return {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "interpreter",
        "ratios": _ratios(rates, bandwidth, sizes, lengths),
        "verify_over_generate": _verification(model, backends["int8"], lengths),
        "tokens_per_second": rates,
        "every_round": seconds,
        "copy_bytes_per_second": bandwidth,
        "lengths": vars(lengths),
        "sizes": vars(sizes),
    }


def random_model(sizes: Sizes) -> ExactModel:
    """int8 weights of all values alike, scales that keep every tensor in its range."""
    rng = np.random.default_rng(1)
    shape = DecoderShape(
        vocab=sizes.vocab, hidden=sizes.hidden, layers=sizes.layers, heads=sizes.heads,
        kv_heads=sizes.kv_heads, head_dim=sizes.head_dim, intermediate=sizes.intermediate,
        context=sizes.context, eos_tokens=(), rope_theta=sizes.theta, rms_eps=sizes.eps,
    )  # fmt: skip

    def linear(out: int, width: int, f_in: int, f_out: int) -> Linear:
        weight = np.frombuffer(rng.bytes(out * width), np.int8).reshape(out, width)
        part, exponent = np.frexp(WEIGHT_SCALE)
        mantissa = np.full(out, int(part * 2**16), np.int32)
        return Linear(weight, mantissa, np.full(out, f_in - f_out + 16 - exponent, np.int32))

    def norm() -> Norm:
        gain = np.full(sizes.hidden, 2**29, np.int32)
        eps = round(sizes.hidden * sizes.eps * 2 ** (2 * RESIDUAL))
        return Norm(gain, 20 + 29 - INNER, eps)

    def layer() -> Layer:
        part, exponent = np.frexp(1.4426950408889634 / np.sqrt(sizes.head_dim))
        wide = sizes.heads * sizes.head_dim
        return Layer(
            attn_norm=norm(),
            q=linear(wide, sizes.hidden, INNER, INNER),
            k=linear(sizes.kv_width, sizes.hidden, INNER, INNER),
            v=linear(sizes.kv_width, sizes.hidden, INNER, INNER),
            v_shift=INNER - KEPT,
            score_mantissa=round(float(part) * 2**16),
            score_shift=2 * INNER - int(exponent),
            o=linear(sizes.hidden, wide, KEPT + 8, RESIDUAL),
            mlp_norm=norm(),
            gate=linear(sizes.intermediate, sizes.hidden, INNER, INNER),
            up=linear(sizes.intermediate, sizes.hidden, INNER, INNER),
            gate_fraction=INNER,
            product_shift=INNER,
            down=linear(sizes.hidden, sizes.intermediate, INNER, RESIDUAL),
        )

    embedding = rng.integers(-(2**14), 2**14, (sizes.vocab, sizes.hidden), dtype=np.int16)
    return ExactModel(
        name="llama-3-8b-shapes",
        shape=shape,
        embedding=embedding,
        embedding_shift=0,
        layers=tuple(layer() for _ in range(sizes.layers)),
        final_norm=norm(),
        head=linear(sizes.vocab, sizes.hidden, INNER, INNER),
        logit_fraction=INNER,
        rope=rope_table(shape),
        gumbel=np.zeros((128, 128), dtype=np.int32),
        tokenizer_hash=bytes(32),
        config_hash=bytes(32),
    )


class Transformers:
    """The peer: same shapes, bfloat16; tasks as `worker_exact.Exact` has them."""

    def __init__(self, sizes: Sizes, device: torch.device) -> None:
        from transformers import LlamaConfig, LlamaForCausalLM

        self._sizes, self._device = sizes, device
        self._config = LlamaConfig(
            vocab_size=sizes.vocab, hidden_size=sizes.hidden, num_hidden_layers=sizes.layers,
            intermediate_size=sizes.intermediate, num_attention_heads=sizes.heads,
            num_key_value_heads=sizes.kv_heads, head_dim=sizes.head_dim,
            max_position_embeddings=sizes.context, rms_norm_eps=sizes.eps,
        )  # fmt: skip
        torch.set_default_dtype(torch.bfloat16)
        with device:
            self._model: Any = LlamaForCausalLM(self._config).eval()
        torch.set_default_dtype(torch.float32)
        compiling = device.type == "cuda"
        self._step = (
            torch.compile(self._model.forward, mode="reduce-overhead")
            if compiling
            else self._model.forward
        )
        self._whole = torch.compile(self._model.forward) if compiling else self._model.forward

    @torch.inference_mode()
    def prefill(self, prompt: int) -> float:
        """The faster of plain and compiled."""
        tokens = self._prompts(1, prompt)

        def run(forward: Any) -> float:
            return timed(lambda: forward(tokens, logits_to_keep=1).logits.argmax(-1).tolist())

        run(self._whole)
        return min(run(self._model.forward), run(self._whole))

    def decode(self, prompt: int, tokens: int) -> float:
        return self.decode_many(1, prompt, tokens)

    @torch.inference_mode()
    def decode_many(self, size: int, prompt: int, tokens: int) -> float:
        from transformers import StaticCache

        warm = 3  # steps that compile and record
        cache = StaticCache(self._config, max_cache_len=prompt + tokens + warm)
        out = self._model(self._prompts(size, prompt), past_key_values=cache, logits_to_keep=1)
        chosen = out.logits[:, -1].argmax(-1, keepdim=True)

        def run(count: int) -> None:
            nonlocal chosen
            for _ in range(count):
                torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
                logits = self._step(chosen, past_key_values=cache).logits
                chosen = logits[:, -1].argmax(-1, keepdim=True).clone()
            chosen.tolist()

        run(warm)
        return timed(lambda: run(tokens))

    def _prompts(self, size: int, length: int) -> torch.Tensor:
        return torch.tensor(prompts(self._sizes.vocab, size, length), device=self._device)


def copy_bandwidth(device: torch.device) -> float:
    """Bytes read and written a second by the best of several copies of a gigabyte."""
    size = 1 << (30 if device.type == "cuda" else 24)
    source = torch.empty(size, dtype=torch.int8, device=device)
    target = torch.empty_like(source)
    best = float("inf")
    for _ in range(10):
        _synchronise(device)
        began = time.perf_counter()
        target.copy_(source)
        _synchronise(device)
        best = min(best, time.perf_counter() - began)
    return 2 * size / best


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def step_bytes(sizes: Sizes, size: int, positions: float) -> float:
    """That a decoding step of `size` requests of so many positions reads."""
    layer = sizes.hidden * (2 * sizes.heads * sizes.head_dim + 2 * sizes.kv_width)
    layer += 3 * sizes.hidden * sizes.intermediate
    cache = size * positions * sizes.kv_heads * (4 * sizes.head_dim + 1)
    return sizes.layers * (layer + cache) + sizes.vocab * sizes.hidden


def _task(program: Exact | Transformers, lengths: Lengths) -> Callable[[str], float]:
    def run(task: str) -> float:
        if task == "prefill":
            return program.prefill(lengths.prefill)
        size = 1 if task == "decode" else lengths.batch
        return program.decode_many(size, lengths.prompt, lengths.tokens)

    return run


def _tokens(task: str, lengths: Lengths) -> int:
    if task == "prefill":
        return lengths.prefill
    return lengths.tokens * (1 if task == "decode" else lengths.batch)


def _ratios(
    rates: dict[str, dict[str, float]], bandwidth: float, sizes: Sizes, lengths: Lengths
) -> dict[str, float]:
    """The default product's rates over transformers' and over what memory would allow."""
    ours, theirs = rates["exact int8"], rates["transformers bfloat16"]
    found = {f"{task}_over_transformers": ours[task] / theirs[task] for task in ours}
    for task, size in (("decode", 1), ("batch", lengths.batch)):
        read = step_bytes(sizes, size, lengths.prompt + lengths.tokens / 2)
        found[f"{task}_over_memory_bound"] = ours[task] / size * read / bandwidth
    return {name: round(value, 3) for name, value in found.items()}


def _verification(model: ExactModel, backend: Backend, lengths: Lengths) -> float:
    """Seconds of judging a claim by one prefill over those of having made it."""
    engine = Engine(model, backend=lambda _: backend, slots=1, reuse=False)
    prompt = prompts(model.shape.vocab, 1, lengths.prompt)[0]
    params = SamplingParams(lengths.tokens)
    output = list(engine.generate(prompt, params))
    made = min(timed(lambda: list(engine.generate(prompt, params))) for _ in range(3))
    judged = min(timed(lambda: engine.first_wrong_token(prompt, output, params)) for _ in range(3))
    return round(judged / made, 4)


def show(part: dict[str, Any]) -> None:
    ratio_rows = [{"ratio": name, "value": value} for name, value in part["ratios"].items()]
    ratio_rows.append({"ratio": "verify over generate", "value": part["verify_over_generate"]})
    print_table("ratios", ("ratio", "value"), ratio_rows)
    rows = [
        {"program": name, **{task: round(rate, 1) for task, rate in rates.items()}}
        for name, rates in part["tokens_per_second"].items()
    ]
    title = f"Llama-3-8B's shapes on {part['device']}, tokens/s"
    print_table(title, ("program", "prefill", "decode", "batch"), rows)
