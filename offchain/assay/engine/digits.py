"""Which inputs of linear layers are of 8 bits rather than 16.

An input of 16 bits is two int8 digits, and its product two int8 products; one of 8 bits is half of
that work and keeps seven bits of its row's largest value. What this costs differs from site to
site, so it is measured against the float model; the choice is kept in `exact.json`. The weights do
not depend on it.

A site is a linear layer's input by the name that `forward.Decoder` shows it under: "0.attn_input",
…, "final_input". Sites that a record does not name are of 16 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from assay.core.errors import ModelError
from assay.engine.agreement import Tally
from assay.engine.checkpoint import Checkpoint
from assay.engine.engine import Engine
from assay.engine.float_model import FloatModel
from assay.exact.model import DecoderShape, ExactModel

KINDS = ("attn_input", "o_input", "mlp_input", "product")
"""Sites of each layer; `Layer` has their bits as "<kind>_bits"."""
FINAL = "final_input"
ERROR_BUDGET = 1.25
"""The whole's RMS logit error stays within so many times that of 16 bits everywhere."""
TOP1_BUDGET = 0.002
"""Its top-1 agreement stays within so much of that of 16 bits everywhere, and …"""
TOP1_BAR = 0.99
"""… above this."""
MOST_GROUPS = 40
"""Models of more sites choose by kind, all layers alike: a group costs two passes over the text."""

Sites = tuple[str, ...]
Report = Callable[[str, float], None]
"""Called with what is being done and the share of it that is done."""


def sites(shape: DecoderShape) -> Sites:
    """Every linear layer's input, in the order of a pass."""
    return (*(f"{layer}.{kind}" for layer in range(shape.layers) for kind in KINDS), FINAL)


def by_kind(shape: DecoderShape) -> dict[str, Sites]:
    """The sites of each kind, over all layers."""
    names = sites(shape)
    return {
        kind: tuple(name for name in names if name.rpartition(".")[2] == kind)
        for kind in (*KINDS, FINAL)
    }


def eight_bits(names: Iterable[str]) -> dict[str, int]:
    return dict.fromkeys(names, 8)


def input_bits(model: ExactModel) -> dict[str, int]:
    """The sites that are not of 16 bits, as `with_input_bits` takes them."""
    bits = [getattr(layer, f"{kind}_bits") for layer in model.layers for kind in KINDS]
    named = zip(sites(model.shape), [*bits, model.final_input_bits], strict=True)
    return {site: count for site, count in named if count != 16}


def with_input_bits(model: ExactModel, bits: Mapping[str, int]) -> ExactModel:
    """The same weights with inputs of so many bits by site; 16 where none are given.

    Raises:
        ModelError: there is no such site, or its bits are neither 8 nor 16.
    """
    known = sites(model.shape)
    for site, count in bits.items():
        if site not in known or count not in (8, 16):
            raise ModelError(
                f"the calibration record gives the input {site!r} {count} bits; this model's are "
                f"{known[0]} to {FINAL}, of 8 or 16 bits; import again with --digits"
            )
    layers = tuple(
        replace(
            layer,
            attn_input_bits=bits.get(f"{index}.attn_input", 16),
            o_input_bits=bits.get(f"{index}.o_input", 16),
            mlp_input_bits=bits.get(f"{index}.mlp_input", 16),
            product_bits=bits.get(f"{index}.product", 16),
        )
        for index, layer in enumerate(model.layers)
    )
    return replace(model, layers=layers, final_input_bits=bits.get(FINAL, 16))


class Comparison:
    """A checkpoint's float logits over a text, and how exact models compare with them.

    windows: of input tokens and one target more, see `texts.token_windows`.
    """

    def __init__(self, original: Checkpoint, windows: Sequence[Sequence[int]]) -> None:
        self._windows = [torch.tensor(window) for window in windows if len(window) > 1]
        model = FloatModel(original)
        with torch.inference_mode():
            self._expected: list[Tensor] = [model.logits(w[:-1]) for w in self._windows]

    def tally(self, model: ExactModel) -> Tally:
        engine, tally, scale = Engine(model), Tally(), 2.0**-model.logit_fraction
        for window, expected in zip(self._windows, self._expected, strict=True):
            found = torch.from_numpy(engine.logits(window[:-1].tolist())).to(torch.float64)
            tally.add(expected.to(torch.float64), found.mul_(scale), window[1:])
        return tally


@dataclass(frozen=True)
class Candidate:
    """Some sites, what 8 bits there alone add to the squared logit error, and what they save.

    saved: multiplications of a pass's row that are done once instead of twice.
    """

    sites: Sites
    cost: float
    saved: int

    @property
    def price(self) -> float:
        return self.cost / self.saved


def choose(model: ExactModel, comparison: Comparison, report: Report) -> dict[str, int]:
    """The sites to be of 8 bits, for `with_input_bits`.

    Each group of sites is measured alone; then, cheapest for the work that it saves first, each
    is added to those that are chosen, and kept if the whole stays within the budgets.
    """
    base = comparison.tally(with_input_bits(model, {}))
    chosen: Sites = ()
    candidates = _candidates(model, comparison, base, report)
    for index, candidate in enumerate(candidates):
        report("choosing 8-bit inputs", index / len(candidates))
        together = (*chosen, *candidate.sites)
        if within_budget(_tally(model, comparison, together), base):
            chosen = together
    return eight_bits(site for site in sites(model.shape) if site in chosen)


def within_budget(whole: Tally, base: Tally) -> bool:
    """Whether a model's figures are near enough to those of 16 bits everywhere."""
    least = max(base.top1_agreement - TOP1_BUDGET, TOP1_BAR)
    is_near = whole.logit_error <= ERROR_BUDGET * base.logit_error
    return is_near and whole.top1_agreement >= least


def _candidates(
    model: ExactModel, comparison: Comparison, base: Tally, report: Report
) -> list[Candidate]:
    groups: list[Sites] = [(site,) for site in sites(model.shape)]
    if len(groups) > MOST_GROUPS:
        groups = list(by_kind(model.shape).values())
    found = []
    for index, group in enumerate(groups):
        report("measuring 8-bit inputs", index / len(groups))
        cost = _tally(model, comparison, group).squared_error - base.squared_error
        found.append(Candidate(group, cost, sum(work(model, site) for site in group)))
    return sorted(found, key=lambda candidate: candidate.price)


def _tally(model: ExactModel, comparison: Comparison, names: Sites) -> Tally:
    return comparison.tally(with_input_bits(model, eight_bits(names)))


def work(model: ExactModel, site: str) -> int:
    """Multiplications that a row of a site's input takes part in."""
    if site == FINAL:
        return model.head.weight.size
    index, kind = site.split(".")
    layer = model.layers[int(index)]
    readers = {
        "attn_input": (layer.q, layer.k, layer.v),
        "o_input": (layer.o,),
        "mlp_input": (layer.gate, layer.up),
        "product": (layer.down,),
    }
    return sum(linear.weight.size for linear in readers[kind])
