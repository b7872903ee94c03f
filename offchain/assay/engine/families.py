"""The architectures that are imported: one table of what distinguishes each from Llama.

Everything after `checkpoint` works with Llama's tensor names and with the features that
`DecoderShape` lists, so a family is a row of `FAMILIES` and nothing else. Defaults are those of the
architecture's configuration class in transformers, which leaves out of config.json what equals
them in some of its versions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import ModelError

Config = Mapping[str, Any]
FUSED = {
    "self_attn.qkv_proj": ("q", "k", "v"),
    "mlp.gate_up_proj": ("gate", "up"),
}
"""Phi-3's stacked layers: their rows are those of the layers listed, in this order."""
GELU = "gelu_pytorch_tanh"
ATTENTION, MLP = ("q", "k", "v", "o"), ("gate", "up", "down")

Windows = Callable[[Config, int], int | None]
"""config.json and a layer's number -> the width of its sliding window, None for none."""


def no_window(config: Config, layer: int) -> int | None:
    return None


def window_everywhere(config: Config, layer: int) -> int | None:
    """Mistral's and Phi-3's rule: all layers have the window, if there is one."""
    width: int | None = config.get("sliding_window")
    return width


def window_by_layer(config: Config, layer: int) -> int | None:
    """Qwen's rule: where `layer_types` says so, or else from layer `max_window_layers` on."""
    if not config.get("use_sliding_window", False):
        return None
    return _window_where(layer >= config.get("max_window_layers", 28), config, layer)


def window_of_every_other(config: Config, layer: int) -> int | None:
    """Gemma 2's rule: where `layer_types` says so, or else in layers 0, 2, 4, …"""
    return _window_where(layer % 2 == 0, config, layer)


def _window_where(slides: bool, config: Config, layer: int) -> int | None:
    """`slides` is what holds where there are no `layer_types`."""
    if kinds := config.get("layer_types"):
        slides = layer < len(kinds) and kinds[layer] == "sliding_attention"
    return window_everywhere(config, layer) if slides else None


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        covers: what goes by its name.
        biases: linear layers that always have a bias.
        optional_biases: configuration key -> linear layers that have one where it is true.
        head_norm: queries and keys are normalised by head.
        windows: the rule of its sliding windows.
        fused: tensor of the files -> the linear layers whose rows it stacks.
        defaults: configuration keys whose default is not Llama's.
        activation: of the gate.
        scaled_embedding: its rows are multiplied by the root of the hidden size.
        gain_less_one: norms' weights in the files are their gains less 1.
        post_norms: what a layer's two halves add to the residual is normalised before.
        softcaps: scores and logits may be capped, scores have a scale of their own.
    """

    covers: str
    biases: tuple[str, ...] = ()
    optional_biases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    head_norm: bool = False
    windows: Windows = no_window
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Config = field(default_factory=dict)
    activation: str = "silu"
    scaled_embedding: bool = False
    gain_less_one: bool = False
    post_norms: bool = False
    softcaps: bool = False


FAMILIES: Mapping[str, Family] = {
    "LlamaForCausalLM": Family(
        "Llama 1 to 3.3, TinyLlama, SmolLM",
        optional_biases={"attention_bias": ATTENTION, "mlp_bias": MLP},
    ),
    "MistralForCausalLM": Family(
        "Mistral 7B",
        windows=window_everywhere,
        defaults={"num_key_value_heads": 8, "sliding_window": 4096},
    ),
    "Qwen2ForCausalLM": Family(
        "Qwen2, Qwen2.5",
        biases=("q", "k", "v"),
        windows=window_by_layer,
        defaults={"num_key_value_heads": 32, "sliding_window": 4096},
    ),
    "Qwen3ForCausalLM": Family(
        "Qwen3",
        optional_biases={"attention_bias": ATTENTION},
        head_norm=True,
        windows=window_by_layer,
        defaults={"num_key_value_heads": 32, "head_dim": 128, "sliding_window": 4096},
    ),
    "Phi3ForCausalLM": Family(
        "Phi-3 and Phi-4 with a short context", windows=window_everywhere, fused=FUSED
    ),
    "GemmaForCausalLM": Family(
        "Gemma 1",
        optional_biases={"attention_bias": ATTENTION},
        defaults={"num_key_value_heads": 16, "head_dim": 256, "tie_word_embeddings": True},
        activation=GELU,
        scaled_embedding=True,
        gain_less_one=True,
    ),
    "Gemma2ForCausalLM": Family(
        "Gemma 2",
        optional_biases={"attention_bias": ATTENTION},
        windows=window_of_every_other,
        defaults={
            "num_key_value_heads": 4,
            "head_dim": 256,
            "tie_word_embeddings": True,
            "sliding_window": 4096,
            "query_pre_attn_scalar": 256,
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
        },
        activation=GELU,
        scaled_embedding=True,
        gain_less_one=True,
        post_norms=True,
        softcaps=True,
    ),
}


def family_of(config: Config) -> Family:
    """The row of a config.json.

    Raises:
        ModelError: no such architecture; names it and those that there are.
    """
    named = config.get("architectures") or [config.get("model_type", "unnamed")]
    architecture = str(named[0] if isinstance(named, list) else named)
    if architecture not in FAMILIES:
        known = "; ".join(f"{name} ({family.covers})" for name, family in FAMILIES.items())
        raise ModelError(f"architecture {architecture} is not supported; supported are {known}")
    return FAMILIES[architecture]
