"""From an encoder's checkpoint folder to its integer model.

As for decoders, ranges on a calibration text, kept in `exact.json` beside the checkpoint. Weights
are rounded to nearest twice, the second time what the first left (`WideLinear`): equalisation has
little to offer here, since an encoder's norms feed the residual as well and GELU is not linear.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch

from assay.core.errors import ModelError
from assay.engine import calibration as records
from assay.engine.calibration import MAX_RESIDUAL_FRACTION, PEAK_BITS, VALUE_PEAK_BITS, Calibration
from assay.engine.encoder_checkpoint import (
    EMBEDDING_NORM,
    POSITIONS,
    TYPES,
    WORDS,
    EncoderCheckpoint,
    layer_modules,
    read_encoder,
)
from assay.engine.encoder_float import FloatEncoder
from assay.engine.importer import CALIBRATION_TOKENS, text_paths, write
from assay.engine.quantise import (
    NORM_FRACTION,
    Complete,
    quantise_bias,
    quantise_linear,
    quantise_norm,
    row_scales,
    score_scale,
)
from assay.engine.tokenizer import Tokenizer
from assay.exact.encoder import (
    EMBEDDING_FRACTION,
    EncoderLayer,
    EncoderModel,
    LayerNorm,
    WideLinear,
)
from assay.exact.model import Norm
from assay.exact.ops import ATTEND_FRACTION

UNIT_FRACTION = 30
LONGEST = 128
"""Tokens of a calibration piece: sentences and paragraphs, as an encoder reads them."""


def import_encoder(path: Path | str) -> EncoderModel:
    """The integer model of an encoder's checkpoint folder.

    Raises:
        ModelError: the checkpoint or its record is missing, damaged or unsupported.
    """
    folder = Path(path)
    checkpoint = read_encoder(folder)
    digest = records.checkpoint_hash(folder)
    calibration = records.load(folder, digest)
    if calibration is None:
        text = text_paths(folder)[0].read_bytes()
        calibration = Calibration(
            fraction_bits=_measure(checkpoint, _pieces(checkpoint, folder, text)),
            checkpoint_sha256=digest,
            text_sha256=sha256(text).hexdigest(),
            text_tokens=CALIBRATION_TOKENS,
            feedback_width=0,
        )
        write(calibration, folder)
    return _Quantiser(checkpoint, calibration.fraction_bits).model()


def _pieces(checkpoint: EncoderCheckpoint, folder: Path, text: bytes) -> list[list[int]]:
    """Lines of the text as token lists, CALIBRATION_TOKENS in all."""
    tokenizer, pieces, left = Tokenizer.of_checkpoint(folder), [], CALIBRATION_TOKENS
    longest = min(LONGEST, checkpoint.shape.context)
    for line in text.splitlines():
        tokens = tokenizer.encode(line)[: min(longest, left)]
        if line.strip() and tokens:
            pieces.append(tokens)
            left -= len(tokens)
        if left <= 0:
            break
    if not pieces:
        raise ModelError("the calibration text has no line to read; give one with sentences")
    return pieces


def _measure(checkpoint: EncoderCheckpoint, pieces: list[list[int]]) -> dict[str, int]:
    """Fraction bits from the largest magnitudes that a float pass over `pieces` meets."""
    table = float(np.abs(checkpoint.tensors[WORDS]).max())  # of all tokens, met or not
    position = float(np.abs(checkpoint.tensors[POSITIONS] + checkpoint.tensors[TYPES][0]).max())
    peaks = {"residual": table + position, "embedding": table}

    def observe(name: str, values: torch.Tensor) -> None:
        peaks[name] = max(peaks.get(name, 0.0), float(values.abs().max()))

    with torch.inference_mode():
        model = FloatEncoder(checkpoint)
        for piece in pieces:
            model.embed(piece, observe)
    short = {"embedding": 15, "pooled": VALUE_PEAK_BITS}
    bits = {
        name: records.fraction_of(name, peak, short.get(name, PEAK_BITS))
        for name, peak in peaks.items()
    }
    for name, peak in peaks.items():
        if name.endswith(".v"):
            bits[name + "_kept"] = records.fraction_of(name, peak, VALUE_PEAK_BITS)
    bits["residual"] = min(bits["residual"], MAX_RESIDUAL_FRACTION)
    bits["embedding"] = min(bits["embedding"], bits["residual"])
    return bits


class _Quantiser:
    def __init__(self, source: EncoderCheckpoint, bits: Mapping[str, int]) -> None:
        self._source = source
        self._bits = Complete(bits)

    def model(self) -> EncoderModel:
        source, bits, d = self._source, self._bits, self._source.shape.hidden
        words = source.tensors[WORDS] * 2.0 ** bits["embedding"]
        positions = source.tensors[POSITIONS] + source.tensors[TYPES][0]
        return EncoderModel(
            name=source.name,
            shape=source.shape,
            embedding=np.clip(np.rint(words), -(2**15), 2**15 - 1).astype(np.int16),
            embedding_shift=bits["residual"] - bits["embedding"],
            positions=quantise_bias(POSITIONS, positions, bits["residual"]),
            embedding_norm=self._norm(EMBEDDING_NORM),
            layers=tuple(self._layer(i) for i in range(source.shape.layers)),
            pool_shift=bits["residual"] - bits["pooled"],
            unit=Norm(
                gain=np.full(d, round(2**UNIT_FRACTION / math.sqrt(d)), dtype=np.int32),
                shift=NORM_FRACTION + UNIT_FRACTION - EMBEDDING_FRACTION,
                eps=0,
            ),
            tokenizer_hash=source.tokenizer_hash,
            config_hash=source.config_hash,
        )

    def _layer(self, index: int) -> EncoderLayer:
        modules, at, residual = layer_modules(index), f"{index}.", self._bits["residual"]

        def f(short: str) -> int:
            return self._bits[at + short]

        def linear(short: str, f_in: int, f_out: int) -> WideLinear:
            name = modules[short]
            weights, bias = (self._source.tensors[f"{name}.{x}"] for x in ("weight", "bias"))
            coarse = quantise_linear(weights, f_in, f_out)
            mantissa, exponent = row_scales(weights)
            kept = coarse.weight * np.ldexp(mantissa, exponent)[:, None]
            fine = quantise_linear(weights - kept, f_in, f_out)
            return WideLinear(coarse, fine, quantise_bias(f"{name}.bias", bias, f_out))

        mantissa, shift = score_scale(self._source.shape.head_dim, f("q") + f("k"))
        return EncoderLayer(
            q=linear("q", residual, f("q")),
            k=linear("k", residual, f("k")),
            v=linear("v", residual, f("v")),
            v_shift=f("v") - f("v_kept"),
            score_mantissa=mantissa,
            score_shift=shift,
            o=linear("o", f("v_kept") + ATTEND_FRACTION, residual),
            attn_norm=self._norm(modules["attn_norm"]),
            up=linear("up", residual, f("up")),
            gelu_fraction=f("up"),
            gelu_shift=f("up") - f("product"),
            down=linear("down", f("product"), residual),
            output_norm=self._norm(modules["output_norm"]),
        )

    def _norm(self, module: str) -> LayerNorm:
        gain, bias = (self._source.tensors[f"{module}.{x}"] for x in ("weight", "bias"))
        residual = self._bits["residual"]
        return LayerNorm(
            norm=quantise_norm(gain, self._source.shape.norm_eps, residual, residual),
            bias=quantise_bias(f"{module}.bias", bias, residual),
        )
