"""An encoder as a program; its last step's only row is the embedding.

Mean pooling is attention with equal weights: scores with a mantissa of 0 are 0 everywhere. The
mean of the rows is then divided by its length, which is an RMS norm with a gain of width**-0.5.
"""

from __future__ import annotations

from assay.core.types import NONE, Op
from assay.exact.encoder import EncoderLayer, EncoderModel, LayerNorm, WideLinear
from assay.trace.builder import Builder, Program

UNMASKED = -1
"""SCORES' window under which every position sees all."""
Quantised = tuple[int, int]


def build_encoder_program(model: EncoderModel) -> Program:
    """The program of an encoder."""
    return _EncoderBuilder(model).build()


class _EncoderBuilder(Builder):
    def __init__(self, model: EncoderModel) -> None:
        super().__init__()
        self._model = model
        self._hidden = model.shape.hidden

    def build(self) -> Program:
        model, d = self._model, self._hidden
        self._program.gumbel_table = NONE
        words = self._weight("embedding", model.embedding, 2)
        positions = self._table("positions", model.positions, 4)
        x = self._rows("embed", Op.EMBED, d, 4, (), (words,), (model.embedding_shift,))
        x = self._rows("positions", Op.BIAS, d, 4, (x,), (positions,), (1,))
        x = self._layer_norm("embedding_norm.", model.embedding_norm, x)
        turned: tuple[int, ...] = ()
        for index, layer in enumerate(model.layers):
            x, turned = self._layer(f"layer.{index}.", layer, x)
        self._pool(x, turned)
        return self._program

    def _layer_norm(self, prefix: str, norm: LayerNorm, x: int) -> int:
        d = self._hidden
        mean = self._rows(prefix + "mean", Op.MEAN, 1, 4, (x,), (), (d,))
        x = self._rows(prefix + "center", Op.CENTER, d, 4, (x, mean))
        x = self._normed(prefix, norm.norm, x, 1)
        bias = self._weight(prefix + "bias", norm.bias[None, :], 4)
        return self._rows(prefix + "shifted", Op.BIAS, d, 4, (x,), (bias,))

    def _wide(self, name: str, linear: WideLinear, a: Quantised, width: int) -> int:
        out = linear.bias.size
        coarse = self._linear(name, linear.coarse, a, width)
        fine = self._linear(name + "_fine", linear.fine, a, width)
        y = self._rows(name + "_sum", Op.ADD, out, 4, (coarse, fine))
        bias = self._weight(name + ".bias", linear.bias[None, :], 4)
        return self._rows(name + "_bias", Op.BIAS, out, 4, (y,), (bias,))

    def _layer(self, prefix: str, layer: EncoderLayer, x: int) -> tuple[int, tuple[int, ...]]:
        """The layer's output, and its quantised queries and keys."""
        d, inner = self._hidden, self._model.shape.intermediate
        y, turned = self._attention(prefix, layer, self._quant(prefix + "attn_", x, 1, d))
        x = self._rows(prefix + "attn_add", Op.ADD, d, 4, (x, y))
        x = self._layer_norm(prefix + "attn_norm.", layer.attn_norm, x)
        y = self._wide(prefix + "up", layer.up, self._quant(prefix + "up_", x, 1, d), d)
        scales = (layer.gelu_fraction, layer.gelu_shift)
        y = self._rows(prefix + "gelu", Op.GELU, inner, 4, (y,), (), scales)
        y = self._wide(
            prefix + "down", layer.down, self._quant(prefix + "gelu_", y, 1, inner), inner
        )
        x = self._rows(prefix + "output_add", Op.ADD, d, 4, (x, y))
        return self._layer_norm(prefix + "output_norm.", layer.output_norm, x), turned

    def _attention(
        self, prefix: str, layer: EncoderLayer, a: Quantised
    ) -> tuple[int, tuple[int, ...]]:
        shape, d = self._model.shape, self._hidden
        heads, hd = shape.heads, shape.head_dim
        turned: tuple[int, ...] = ()
        for name, linear in (("q", layer.q), ("k", layer.k)):
            rows = self._wide(prefix + name, linear, a, d)
            split = self._add(
                f"{prefix}{name}_split", Op.SPLIT, heads, True, hd, 4, (rows,), (), (heads,)
            )
            turned += self._quant(f"{prefix}{name}_", split, heads, hd)
        v = self._wide(prefix + "v", layer.v, a, d)
        vt = self._add(
            prefix + "v_transpose", Op.TRANSPOSE, d, False, 0, 2, (v,), (), (layer.v_shift,)
        )
        scales = (layer.score_mantissa, layer.score_shift)
        s = self._scores(prefix, turned, scales)
        o = self._attend(prefix, s, vt, (heads, heads), hd)
        return self._wide(
            prefix + "o", layer.o, self._quant(prefix + "attend_", o, 1, d), d
        ), turned

    def _scores(self, prefix: str, turned: tuple[int, ...], scales: tuple[int, int]) -> int:
        heads = self._model.shape.heads
        params = (*scales, heads, heads, UNMASKED)
        return self._add(prefix + "scores", Op.SCORES, heads, True, 0, 4, turned, (), params)

    def _pool(self, x: int, turned: tuple[int, ...]) -> None:
        model, d, shape = self._model, self._hidden, self._model.shape
        rows = self._add(
            "pool.transpose", Op.TRANSPOSE, d, False, 0, 2, (x,), (), (model.pool_shift,)
        )
        s = self._scores("pool.", turned, (0, 0))
        mean = self._attend("pool.", s, rows, (shape.heads, shape.heads), shape.head_dim)
        last = self._add("pool.last", Op.LAST, 1, False, d, 4, (mean,))
        self._normed("unit.", model.unit, last, 1, per_position=False)
