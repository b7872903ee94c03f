"""Every supported family against transformers' own implementation, on small random weights.

The float reference must equal it to rounding, the exact engine within the error of the weights'
quantisation. Weights are drawn so that every feature matters: sharp attention, large biases,
uneven gains; and each feature, when left out, breaks the bounds by far.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForCausalLM

from assay.core.errors import ModelError
from assay.engine.checkpoint import HEAD, Checkpoint, layer_names, read_checkpoint
from assay.engine.engine import Engine
from assay.engine.equalise import equalise, stress
from assay.engine.families import FAMILIES
from assay.engine.float_model import FloatModel
from assay.engine.importer import SHIPPED_MODEL, calibrate, import_checkpoint
from assay.engine.quantise import quantise, row_scales
from assay.exact.model import ExactModel

LENGTH = 120
SIZES: dict[str, Any] = {
    "vocab_size": 4096,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 96,
    "max_position_embeddings": 256,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}
FLOAT_BOUND = 2e-4
"""Largest error of the float reference, in units of the largest logit."""
CORRELATION, TOP_1 = 0.9995, 0.9
RMS_BOUND, MAX_BOUND = 0.035, 0.3
"""Errors of the exact logits, in units of the logits' standard deviation."""
ARITHMETIC_BOUND = 2e-3
"""The same against a float model with the quantised weights."""
LINEARS = ("q", "k", "v", "o", "gate", "up", "down")


@dataclass(frozen=True)
class Case:
    """A model type of transformers with configuration entries over SIZES, and what undoes them.

    `without`: features of the shape, and their values when left out.
    """

    model_type: str
    config: dict[str, Any] = field(default_factory=dict)
    without: dict[str, Any] = field(default_factory=dict)


def rope(kind: str, **parameters: float) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **parameters}}


LLAMA3 = rope(
    "llama3",
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=64,
)
UNSCALED = {"rope_scaling": None}
GEMMA_2 = {
    "head_dim": 32,
    "sliding_window": 24,
    "query_pre_attn_scalar": 8,
    "attn_logit_softcapping": 4.0,
    "final_logit_softcapping": 10.0,
}
CASES = {
    "llama": Case("llama"),
    "llama tied": Case("llama", {"tie_word_embeddings": True}),
    "llama 3": Case("llama", LLAMA3, UNSCALED),
    "llama linear": Case("llama", rope("linear", factor=4.0), UNSCALED),
    "mistral": Case("mistral", {"sliding_window": None, "head_dim": 32}),
    "mistral, window as wide as the context": Case("mistral", {"sliding_window": 256}),
    "phi 3": Case("phi3"),
    "llama, all biases": Case(
        "llama", {"attention_bias": True, "mlp_bias": True}, {"biases": ("q", "k", "v", "o")}
    ),
    "mistral, window": Case("mistral", {"sliding_window": 24}, {"windows": ()}),
    "phi 3, window": Case("phi3", {"sliding_window": 40}, {"windows": (0, 40)}),
    "qwen 2": Case("qwen2", {"tie_word_embeddings": True}, {"biases": ("q", "k")}),
    "qwen 2, window of the upper layers": Case(
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 20, "max_window_layers": 1},
        {"windows": (), "biases": ()},
    ),
    "qwen 3": Case("qwen3", {"head_dim": 32}, {"head_norm": False}),
    "qwen 3, biases and windows": Case(
        "qwen3",
        {"head_dim": 16, "attention_bias": True, "use_sliding_window": True,
         "sliding_window": 30, "layer_types": ["sliding_attention", "full_attention"]},
        {"head_norm": False, "windows": (30, 30), "biases": ()},
    ),
    "gemma": Case("gemma", {"head_dim": 32, "num_key_value_heads": 1}, {"activation": "silu"}),
    "gemma 2": Case(
        "gemma2",
        {**GEMMA_2, "attention_bias": True},
        {"activation": "silu", "score_cap": None, "logit_cap": None, "query_scalar": None,
         "windows": (), "biases": (), "post_norms": False},
    ),
    "gemma 2, full attention first": Case(
        "gemma2",
        {**GEMMA_2, "layer_types": ["full_attention", "sliding_attention"],
         "attn_logit_softcapping": None, "final_logit_softcapping": None,
         "query_pre_attn_scalar": 48},
        {"windows": (24, 0), "query_scalar": None},
    ),
    "gemma 2, caps far above": Case(
        "gemma2",
        {**GEMMA_2, "attn_logit_softcapping": 2.0**14, "final_logit_softcapping": 2.0**14,
         "query_pre_attn_scalar": 48},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Errors:
    """Of logits, in units of the expected ones' standard deviation."""

    rms: float
    most: float
    correlation: float
    agreement: float

    @classmethod
    def of(cls, found: torch.Tensor, expected: torch.Tensor) -> Errors:
        error = (found - expected) / expected.std()
        return cls(
            float(error.square().mean().sqrt()),
            float(error.abs().max()),
            float(np.corrcoef(found.flatten(), expected.flatten())[0, 1]),
            float((found.argmax(1) == expected.argmax(1)).double().mean()),
        )


def dequantised(folder: Path, model: ExactModel) -> Checkpoint:
    """The equalised checkpoint with the int8 weights' real values: what is left is arithmetic."""
    checkpoint = equalise(read_checkpoint(folder))
    linears = {HEAD: model.head}
    for index, layer in enumerate(model.layers):
        names = layer_names(checkpoint.shape, index)
        linears |= {names[x]: getattr(layer, x) for x in LINEARS}
    tensors = dict(checkpoint.tensors)
    for name, linear in linears.items():
        mantissa, exponent = row_scales(tensors[name])
        tensors[name] = linear.weight * np.ldexp(mantissa, exponent)[:, None]
    return replace(checkpoint, tensors=tensors)


def write_family(folder: Path, case: Case, seed: int = 3) -> Path:
    """A checkpoint as transformers saves it, with the shipped model's tokenizer."""
    torch.manual_seed(seed)
    config = AutoConfig.for_model(case.model_type, **SIZES | case.config)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.copy_(draw(name, weight, case.model_type.startswith("gemma")))
    model.save_pretrained(folder)
    shutil.copy(SHIPPED_MODEL / "tokenizer.json", folder)
    return folder


def draw(name: str, weight: torch.Tensor, gemma: bool = False) -> torch.Tensor:
    """Gemma's norms have their gains less 1, its embedding is scaled when it is read."""
    if name.endswith("norm.weight"):
        return float(not gemma) + 0.3 * torch.randn_like(weight)
    if name.endswith(".bias"):
        return torch.randn_like(weight)
    if "embed_tokens" in name:
        return torch.randn_like(weight) * (weight.shape[1] ** -0.5 if gemma else 1.0)
    sharper = 2.0 if "q_proj" in name or "k_proj" in name else 1.0
    return sharper * torch.randn_like(weight) * weight.shape[1] ** -0.5


def theirs(folder: Path, tokens: torch.Tensor) -> torch.Tensor:
    """In float32, without the fused attention that leaves caps out."""
    loaded = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    model = loaded.eval()
    with torch.inference_mode():
        logits: torch.Tensor = model(tokens[None]).logits[0]
    return logits


def some_tokens() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(5).integers(0, SIZES["vocab_size"], LENGTH))


def float_error(folder: Path, expected: torch.Tensor, **features: Any) -> float:
    """Largest error of the float reference with some of the shape's features replaced."""
    checkpoint = read_checkpoint(folder)
    changed = replace(checkpoint, shape=replace(checkpoint.shape, **features))
    with torch.inference_mode():
        found = FloatModel(changed).logits(some_tokens())
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize("name", CASES)
def test_default_behavior(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    folder = write_family(tmp_path, case)
    tokens = some_tokens()
    expected = theirs(folder, tokens)
    assert float_error(folder, expected) < FLOAT_BOUND
    for feature, value in case.without.items():
        assert float_error(folder, expected, **{feature: value}) > 100 * FLOAT_BOUND, feature

    model = import_checkpoint(folder)
    logits = Engine(model).logits(tokens.tolist()) * 2.0**-model.logit_fraction
    found = torch.from_numpy(logits).to(torch.float64)
    whole = Errors.of(found, expected)
    assert whole.correlation > CORRELATION
    assert whole.agreement >= TOP_1
    assert whole.rms < RMS_BOUND
    assert whole.most < MAX_BOUND
    with torch.inference_mode():
        rounded = FloatModel(dequantised(folder, model), torch.float64).logits(tokens)
    arithmetic = Errors.of(found, rounded)
    assert arithmetic.rms < ARITHMETIC_BOUND


def test_gemma_2_slides_in_even_layers(tmp_path: Path) -> None:
    """Without `layer_types`, as the first checkpoints have it; transformers as ever."""
    folder = write_family(tmp_path, CASES["gemma 2"])
    written = json.loads((folder / "config.json").read_text())
    assert written.pop("layer_types")
    (folder / "config.json").write_text(json.dumps(written))
    expected = theirs(folder, some_tokens())
    assert float_error(folder, expected) < FLOAT_BOUND
    assert float_error(folder, expected, windows=(0, 24)) > 100 * FLOAT_BOUND


def test_gemma_2_has_the_defaults_of_transformers(tmp_path: Path) -> None:
    """Of what the first checkpoints' config.json may leave out."""
    folder = write_family(tmp_path, CASES["gemma 2"])
    written = json.loads((folder / "config.json").read_text())
    for key in GEMMA_2.keys() - {"head_dim", "sliding_window"} | {"tie_word_embeddings"}:
        written.pop(key, None)
    (folder / "config.json").write_text(json.dumps(written))
    shape = read_checkpoint(folder).shape
    assert (shape.query_scalar, shape.score_cap, shape.logit_cap) == (256, 50, 30)
    expected = theirs(folder, some_tokens())
    assert float_error(folder, expected) < FLOAT_BOUND
    assert float_error(folder, expected, query_scalar=None) > 10 * FLOAT_BOUND


def test_an_unsupported_architecture_is_refused_by_name(tmp_path: Path) -> None:
    """With the list of what is supported."""
    (tmp_path / "config.json").write_text('{"architectures": ["FalconForCausalLM"]}')
    with pytest.raises(ModelError, match="FalconForCausalLM is not supported") as refused:
        read_checkpoint(tmp_path)
    for architecture, family in FAMILIES.items():
        assert f"{architecture} ({family.covers})" in str(refused.value)


def test_a_truncated_stacked_layer_is_refused(tmp_path: Path) -> None:
    folder = write_family(tmp_path, CASES["phi 3"])
    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = "model.layers.1.self_attn.qkv_proj.weight"
    save_file({**tensors, name: tensors[name][:-1].contiguous()}, path)
    with pytest.raises(ModelError, match=rf"{name} has shape \(127, 64\).*\(128, 64\)"):
        read_checkpoint(folder)
    del tensors[name]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=f"lacks 1 tensors, among them {name}"):
        read_checkpoint(folder)


@pytest.mark.parametrize("case", ["llama, all biases", "gemma 2"])
def test_rescaled_channels_take_their_biases_along(tmp_path: Path, case: str) -> None:
    """Stress and equalisation keep a function with biases, and end at the same integers."""
    folder = write_family(tmp_path, CASES[case])
    plain = read_checkpoint(folder)
    stressed = stress(plain, 1000.0)
    name = "model.layers.0.self_attn.v_proj.bias"
    assert not np.allclose(stressed.tensors[name], plain.tensors[name])
    with torch.inference_mode():
        expected, *others = (
            FloatModel(checkpoint, torch.float64).logits(some_tokens())
            for checkpoint in (plain, stressed, equalise(plain), equalise(stressed))
        )
    assert all(torch.allclose(logits, expected, atol=1e-9) for logits in others)
    for tensor, again in zip(
        equalise(plain).tensors.values(), equalise(stressed).tensors.values(), strict=True
    ):
        assert np.allclose(tensor, again, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("case", "name", "message"),
    [
        ("qwen 2", "model.layers.1.self_attn.k_proj.bias", "holds NaN or infinite"),
        ("qwen 3", "model.layers.0.self_attn.q_norm.weight", "holds NaN or infinite"),
    ],
)
def test_damaged_features_are_refused(tmp_path: Path, case: str, name: str, message: str) -> None:
    folder = write_family(tmp_path, CASES[case])
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors[name][3] = float("inf")
    save_file(tensors, path)
    with pytest.raises(ModelError, match=f"{name} {message}"):
        read_checkpoint(folder)
    del tensors[name]
    save_file(tensors, path)
    with pytest.raises(ModelError, match=f"lacks 1 tensors, among them {name}"):
        read_checkpoint(folder)


def test_a_bias_beyond_its_binary_point_is_refused(tmp_path: Path) -> None:
    """A record of ranges that were measured without it."""
    folder = write_family(tmp_path, CASES["qwen 2"])
    checkpoint = equalise(read_checkpoint(folder))
    calibration = calibrate(checkpoint, folder, "0" * 64)
    name = "model.layers.1.self_attn.k_proj.bias"
    tensors = {**checkpoint.tensors, name: checkpoint.tensors[name] * 1e4}
    with pytest.raises(ModelError, match=f"{name} reaches .* delete exact.json"):
        quantise(replace(checkpoint, tensors=tensors), calibration)


@pytest.mark.parametrize(
    ("case", "config", "message"),
    [
        ("llama", {"sliding_window": 8}, "sliding_window = 8 is not this architecture's"),
        ("qwen 2", {"attention_bias": True}, "attention_bias = True is not this architecture's"),
        ("mistral", {"sliding_window": 0}, "sliding_window is 0; it must be a positive integer"),
        ("mistral", {"sliding_window": "wide"}, "sliding_window is 'wide'"),
        ("gemma", {"final_logit_softcapping": 30.0}, "softcapping = 30.0 is not this archi"),
        ("gemma", {"hidden_act": "gelu"}, "'gelu' is not supported, only 'gelu_pytorch_tanh'"),
        ("gemma 2", {"hidden_activation": "silu"}, "hidden_activation = 'silu' is not supported"),
        ("gemma 2", {"use_bidirectional_attention": True}, "attention = True is not supported"),
        ("gemma 2", {"attn_logit_softcapping": 0.5}, "attn_.* is 0.5; it must be from 1 to 16384"),
        ("gemma 2", {"final_logit_softcapping": "x"}, "final_.* is 'x'; it must be a positive"),
        ("gemma 2", {"final_logit_softcapping": 1e5}, "is 100000.0; it must be from 1 to 16384"),
        ("gemma 2", {"query_pre_attn_scalar": 0}, "query_pre_attn_scalar is 0; .* positive"),
        ("gemma 2", {"query_pre_attn_scalar": None}, "query_pre_attn_scalar is None"),
        ("llama", {"query_pre_attn_scalar": 64}, "scalar = 64 is not this architecture's"),
    ],
)
def test_refused_configurations(
    tmp_path: Path, case: str, config: dict[str, Any], message: str
) -> None:
    folder = write_family(tmp_path, CASES[case])
    written = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(written | config))
    with pytest.raises(ModelError, match=message):
        read_checkpoint(folder)
