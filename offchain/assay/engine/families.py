"""The architectures that are imported: one table of what distinguishes each from Llama.

Everything after `checkpoint` works with Llama's tensor names and with the features that
`DecoderShape` lists, so a family is a row of `FAMILIES` and nothing else. Defaults are those of the
architecture's configuration class in transformers, which leaves out of config.json what equals
them in some of its versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from assay.core.errors import ModelError

Config = Mapping[str, Any]
FUSED = {
    "self_attn.qkv_proj": ("q", "k", "v"),
    "mlp.gate_up_proj": ("gate", "up"),
}
"""Phi-3's stacked layers: their rows are those of the layers listed, in this order."""


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        covers: what goes by its name.
        fused: tensor of the files -> the linear layers whose rows it stacks.
        defaults: configuration keys whose default is not Llama's.
    """

    covers: str
    fused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    defaults: Config = field(default_factory=dict)


FAMILIES: Mapping[str, Family] = {
    "LlamaForCausalLM": Family("Llama 1 to 3.3, TinyLlama, SmolLM"),
    "MistralForCausalLM": Family(
        "Mistral 7B", defaults={"num_key_value_heads": 8, "sliding_window": 4096}
    ),
    "Phi3ForCausalLM": Family("Phi-3 and Phi-4 with a short context", fused=FUSED),
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
