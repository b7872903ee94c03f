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
    kinds = config.get("layer_types")
    if kinds:
        slides = layer < len(kinds) and kinds[layer] == "sliding_attention"
    else:
        slides = layer >= config.get("max_window_layers", 28)
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
    """

    covers: str
    biases: tuple[str, ...] = ()
    optional_biases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    head_norm: bool = False
    windows: Windows = no_window
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Config = field(default_factory=dict)


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
}


def family_of(config: Config) -> Family:
    """The row of a config.json.

    Raises:
        ModelError: no such architecture; names it and those that there are.
    """
    architecture = (config.get("architectures") or [config.get("model_type", "unnamed")])[0]
    if architecture not in FAMILIES:
        known = "; ".join(f"{name} ({family.covers})" for name, family in FAMILIES.items())
        raise ModelError(f"architecture {architecture} is not supported; supported are {known}")
    return FAMILIES[architecture]
