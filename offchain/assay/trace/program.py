"""A decoder as a program: its static list of steps and the tensors that they read.

Steps stand in topological order: a step reads only outputs of earlier ones. Output shapes depend
on the pass only through its number of positions N.
"""

from __future__ import annotations

from assay.core.types import TABLE_BASE, Op
from assay.exact.model import ExactModel, Layer, Norm, Softcap
from assay.trace.builder import Builder, Program

GATES = {"silu": Op.SILU_GATE, "gelu_pytorch_tanh": Op.GELU_GATE}


def build_program(model: ExactModel) -> Program:
    """The program of a decoder."""
    return _DecoderBuilder(model).build()


class _DecoderBuilder(Builder):
    def __init__(self, model: ExactModel) -> None:
        super().__init__()
        self._model = model
        self._hidden = model.shape.hidden

    def build(self) -> Program:
        model, program = self._model, self._program
        rope = self._table("rope", model.rope, 2)
        gumbel = self._table("gumbel", model.gumbel, 4)
        program.gumbel_table = gumbel - TABLE_BASE
        embedding = self._weight("embedding", model.embedding, 2)
        x = self._rows(
            "embed", Op.EMBED, self._hidden, 4, (), (embedding,), (model.embedding_shift,)
        )
        for index, layer in enumerate(model.layers):
            x = self._layer(f"layer.{index}.", layer, x, rope)
        x = self._add("last", Op.LAST, 1, False, self._hidden, 4, (x,))
        a = self._norm(
            "final_norm.", model.final_norm, x, model.final_input_bits, per_position=False
        )
        self._logits(a)
        return program

    def _logits(self, a: tuple[int, int]) -> None:
        head, cap = self._model.head, self._model.logit_cap
        if cap is None:
            self._linear("logits", head, a, self._hidden, per_position=False)
            return
        y = self._linear("head", head, a, self._hidden, per_position=False)
        self._capped("logits", cap, y, 1, False, self._model.shape.vocab)

    def _capped(
        self, name: str, cap: Softcap, x: int, rows: int, per_position: bool, width: int
    ) -> int:
        params = (cap.cap, cap.mantissa, cap.shift)
        return self._add(name, Op.SOFTCAP, rows, per_position, width, 4, (x,), (), params)

    def _layer(self, prefix: str, layer: Layer, x: int, rope: int) -> int:
        a = self._norm(prefix + "attn_norm.", layer.attn_norm, x, layer.attn_input_bits)
        y = self._attention(prefix, layer, a, rope)
        if layer.attn_post_norm:
            y = self._normed(prefix + "attn_post_norm.", layer.attn_post_norm, y, 1)
        x = self._rows(prefix + "attn_add", Op.ADD, self._hidden, 4, (x, y))
        a = self._norm(prefix + "mlp_norm.", layer.mlp_norm, x, layer.mlp_input_bits)
        y = self._mlp(prefix, layer, a)
        if layer.mlp_post_norm:
            y = self._normed(prefix + "mlp_post_norm.", layer.mlp_post_norm, y, 1)
        return self._rows(prefix + "mlp_add", Op.ADD, self._hidden, 4, (x, y))

    def _attention(self, prefix: str, layer: Layer, a: tuple[int, int], rope: int) -> int:
        shape = self._model.shape
        heads, kv, hd = shape.heads, shape.kv_heads, shape.head_dim
        q = self._linear(prefix + "q", layer.q, a, self._hidden)
        k = self._linear(prefix + "k", layer.k, a, self._hidden)
        v = self._linear(prefix + "v", layer.v, a, self._hidden)
        q = self._turned(prefix + "q_", layer.q_norm, q, heads, rope)
        k = self._turned(prefix + "k_", layer.k_norm, k, kv, rope)
        qq, eq = self._quant(prefix + "q_", q, heads, hd)
        kq, ek = self._quant(prefix + "k_", k, kv, hd)
        vt = self._add(
            prefix + "v_transpose", Op.TRANSPOSE, kv * hd, False, 0, 2, (v,), (), (layer.v_shift,)
        )
        s = self._add(
            prefix + "scores",
            Op.SCORES,
            heads,
            True,
            0,
            4,
            (qq, eq, kq, ek),
            (),
            (layer.score_mantissa, layer.score_shift, heads, kv, layer.window),
        )
        if layer.score_cap:
            s = self._capped(prefix + "scores_capped", layer.score_cap, s, heads, True, 0)
        o = self._attend(prefix, s, vt, (heads, kv), hd)
        a = self._quant(prefix + "attend_", o, 1, heads * hd, layer.o_input_bits)
        return self._linear(prefix + "o", layer.o, a, heads * hd)

    def _turned(self, prefix: str, norm: Norm | None, x: int, heads: int, rope: int) -> int:
        """Rotated heads, a row each; normalised before if there is a norm."""
        hd = self._model.shape.head_dim
        if norm is None:
            return self._add(prefix + "rope", Op.ROPE, heads, True, hd, 4, (x,), (rope,), (heads,))
        x = self._add(prefix + "split", Op.SPLIT, heads, True, hd, 4, (x,), (), (heads,))
        x = self._normed(prefix + "norm.", norm, x, heads)
        return self._add(prefix + "rope", Op.ROPE, heads, True, hd, 4, (x,), (rope,), (heads, 1))

    def _mlp(self, prefix: str, layer: Layer, a: tuple[int, int]) -> int:
        inner = self._model.shape.intermediate
        gate = self._linear(prefix + "gate", layer.gate, a, self._hidden)
        up = self._linear(prefix + "up", layer.up, a, self._hidden)
        op = GATES[self._model.shape.activation]
        h = self._rows(
            prefix + op.name.lower(),
            op,
            inner,
            4,
            (gate, up),
            (),
            (layer.gate_fraction, layer.product_shift),
        )
        a = self._quant(prefix + "mlp_", h, 1, inner, layer.product_bits)
        return self._linear(prefix + "down", layer.down, a, inner)
