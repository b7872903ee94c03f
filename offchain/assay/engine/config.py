"""config.json as a `DecoderShape`, or a refusal that names the key.

Knows Hugging Face's configuration keys, old and new; what differs between architectures is in
`families`. Everything that the exact engine cannot represent is refused here.
"""

from __future__ import annotations

from typing import Any

from assay.core.errors import ModelError
from assay.engine.families import Config, Family, family_of, no_window
from assay.exact.model import DecoderShape, RopeScaling

MAX_EOS_TOKENS = 4
MAX_HEAD_DIM = 512
MAX_WIDTH = 2**17 - 1
"""Terms of one reduction: what the integer ranges of `exact.ops` are argued for."""
MAX_LAYERS = 1024
"""More than any model has; what is beyond is a damaged file."""
ONLY: Config = {
    "quantization_config": None,
    "use_bidirectional_attention": False,
    "partial_rotary_factor": 1.0,
}
"""Keys with a single supported value; null stands for it, too."""
OPTIONAL_BIASES = ("attention_bias", "mlp_bias")
ACTIVATIONS = ("hidden_act", "hidden_activation")
"""Keys that name the gate's activation."""
CAPS = ("attn_logit_softcapping", "final_logit_softcapping")
MAX_CAP = 2**14
"""Of scores and logits: keeps them within int32 in the units of either."""
ROPE_KINDS = "'default', 'linear' and 'llama3'"
ROPE_REFUSALS = {
    "longrope": "its factors change with a sequence's length, and cached keys would with them",
    "su": "its factors change with a sequence's length, and cached keys would with them",
    "dynamic": "its base changes with a sequence's length, and cached keys would with it",
    "yarn": "it rescales scores as well",
}
"""Why a kind of RoPE scaling is not supported."""


def decoder_shape(config: Config, eos_tokens: tuple[int, ...]) -> DecoderShape:
    """Sizes and features of a decoder.

    Raises:
        ModelError: an architecture or value that is not supported, or no value at all.
    """
    family = family_of(config)
    config = {**family.defaults, **config}
    _refuse_unsupported(config, family)
    heads = positive_size(config, "num_attention_heads")
    hidden = positive_size(config, "hidden_size")
    rope = _rope(config)
    layers, context = (
        positive_size(config, key) for key in ("num_hidden_layers", "max_position_embeddings")
    )
    if layers > MAX_LAYERS:
        raise ModelError(
            f"config.json: num_hidden_layers is {layers}; at most {MAX_LAYERS} are supported"
        )
    shape = DecoderShape(
        vocab=positive_size(config, "vocab_size"),
        hidden=hidden,
        layers=layers,
        heads=heads,
        kv_heads=positive_size(config, "num_key_value_heads", heads),
        head_dim=positive_size(config, "head_dim", hidden // heads),
        intermediate=positive_size(config, "intermediate_size"),
        context=context,
        eos_tokens=eos_tokens,
        rope_theta=_positive(rope, "rope_theta", config.get("rope_theta", 10000.0)),
        rms_eps=_positive(config, "rms_norm_eps", 1e-6),
        rope_scaling=_rope_scaling(rope, config),
        biases=_biases(config, family),
        head_norm=family.head_norm,
        windows=_windows(config, family, layers, context),
        activation=family.activation,
        post_norms=family.post_norms,
        query_scalar=_positive(config, "query_pre_attn_scalar") if family.softcaps else None,
        score_cap=_cap(config, CAPS[0]),
        logit_cap=_cap(config, CAPS[1]),
    )
    _check_sizes(shape)
    return shape


def _check_sizes(shape: DecoderShape) -> None:
    if shape.heads % shape.kv_heads:
        raise ModelError(
            f"config.json: {shape.heads} attention heads are not a multiple of {shape.kv_heads} "
            "key/value heads"
        )
    if shape.head_dim % 2 or shape.head_dim > MAX_HEAD_DIM:
        raise ModelError(
            f"config.json: head_dim is {shape.head_dim}; it must be even and <= {MAX_HEAD_DIM}"
        )
    widest = max(shape.hidden, shape.intermediate, shape.heads * shape.head_dim)
    if widest > MAX_WIDTH or shape.context > MAX_WIDTH + 1:
        raise ModelError(
            f"config.json: the widest layer has {widest} inputs, the context {shape.context}; "
            f"both are limited to about {MAX_WIDTH}"
        )
    if any(token >= shape.vocab for token in shape.eos_tokens):
        raise ModelError(
            f"eos tokens {shape.eos_tokens} are outside the vocabulary of {shape.vocab}"
        )


def _refuse_unsupported(config: Config, family: Family) -> None:
    for key in OPTIONAL_BIASES:
        if config.get(key) and key not in family.optional_biases:
            raise ModelError(f"config.json: {key} = {config[key]!r} is not this architecture's")
    foreign = [] if family.softcaps else [*CAPS, "query_pre_attn_scalar"]
    foreign += ["sliding_window"] if family.windows is no_window else []
    for key in foreign:
        if config.get(key) is not None:
            raise ModelError(f"config.json: {key} = {config[key]!r} is not this architecture's")
    for key, only in {**ONLY, **dict.fromkeys(ACTIVATIONS, family.activation)}.items():
        if config.get(key, only) not in (only, None):
            raise ModelError(
                f"config.json: {key} = {config[key]!r} is not supported, only {only!r}"
            )


def _biases(config: Config, family: Family) -> tuple[str, ...]:
    optional = [names for key, names in family.optional_biases.items() if config.get(key)]
    return (*family.biases, *(name for names in optional for name in names))


def _windows(config: Config, family: Family, layers: int, context: int) -> tuple[int, ...]:
    """Every layer's window, 0 for none or for one that the context fits in."""
    try:
        widths = [family.windows(config, layer) for layer in range(layers)]
    except (TypeError, KeyError) as error:
        raise ModelError(
            f"config.json: layer_types or max_window_layers is malformed ({error}); copy it again"
        ) from error
    for width in widths:
        if width is not None:
            positive_size({"sliding_window": width}, "sliding_window")
    windows = tuple(width if width and width < context else 0 for width in widths)
    return windows if any(windows) else ()


def _rope(config: Config) -> Config:
    """The rotary parameters: of the new key (rope_parameters) or the old (rope_scaling)."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if not isinstance(rope, dict):
        raise ModelError(f"config.json: the RoPE parameters are {rope!r}; an object is expected")
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        raise ModelError(
            f"config.json: partial_rotary_factor = {rope['partial_rotary_factor']!r} is not "
            "supported, only 1.0"
        )
    return rope


def _rope_scaling(rope: Config, config: Config) -> RopeScaling | None:
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return None
    if kind == "linear":
        return RopeScaling("linear", _stretch(rope))
    if kind != "llama3":
        reason = ROPE_REFUSALS.get(str(kind), "it is unknown")
        raise ModelError(
            f"config.json: RoPE scaling {kind!r} is not supported ({reason}), only {ROPE_KINDS}"
        )
    low, high = (_positive(rope, f"{end}_freq_factor") for end in ("low", "high"))
    if low >= high:
        raise ModelError(f"config.json: low_freq_factor {low} is not below high_freq_factor {high}")
    before = config.get("original_max_position_embeddings")
    original = positive_size(rope, "original_max_position_embeddings", before)
    return RopeScaling("llama3", _stretch(rope), low, high, original)


def _stretch(rope: Config) -> float:
    factor = _positive(rope, "factor")
    if factor < 1:
        raise ModelError(f"config.json: RoPE factor is {factor}; it must be at least 1")
    return factor


def _positive(config: Config, key: str, default: Any = None) -> float:
    value = config.get(key, default)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < float("inf"):
        raise ModelError(f"config.json: {key} is {value!r}; it must be a positive number")
    return float(value)


def _cap(config: Config, key: str) -> float | None:
    if config.get(key) is None:
        return None
    cap = _positive(config, key)
    if not 1 <= cap <= MAX_CAP:
        raise ModelError(f"config.json: {key} is {cap}; it must be from 1 to {MAX_CAP}")
    return cap


def positive_size(config: Config, key: str, default: int | None = None) -> int:
    value = config.get(key)
    value = default if value is None else value
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ModelError(f"config.json: {key} is {value!r}; it must be a positive integer")
    return value
