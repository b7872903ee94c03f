"""Several models in one process: how much of the memory each one's cache gets, before any loads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from assay.core.errors import EnvironmentMissing
from assay.engine.backends import BackendKind, BackendName, backend_for
from assay.engine.backends.base import PAGE
from assay.engine.memory import (
    GIB,
    PREFILL_ROWS,
    Prediction,
    available_memory,
    encoder_bytes,
    integer_bytes,
    position_bytes,
    predict,
)
from assay.engine.planner import Limits
from assay.exact.encoder import EncoderModel
from assay.exact.model import ExactModel


@dataclass(frozen=True)
class Want:
    """What a model needs, and would like.

    besides           bytes of weights and working memory, its cache's not counted
    each              positions that one request with a full context holds; 0 without a cache
    wanted            positions of its cache, if there is room
    fixed             `wanted` was asked for: that or nothing
    bytes_a_position  of its cache
    kind              the backend, which says whose memory it takes
    """

    name: str
    besides: Prediction
    each: int
    wanted: int
    fixed: bool
    bytes_a_position: int
    kind: BackendKind

    @property
    def least(self) -> int:
        """Bytes below which it cannot be served."""
        positions = self.wanted if self.fixed else self.each
        return self.besides.total + positions * self.bytes_a_position

    @property
    def more(self) -> int:
        """Bytes that it would like beyond those."""
        return 0 if self.fixed else max(self.wanted - self.each, 0) * self.bytes_a_position


def want(
    model: ExactModel | EncoderModel,
    backend: BackendName,
    slots: int,
    positions: int | None,
    draft: ExactModel | None = None,
    guesses: int = 0,
    apart: bool = False,
) -> Want:
    """Of a model whose requests decode `slots` at a time; `positions` as of `Engine`. `apart`: in a
    process of its own, which has the integers once more."""
    if isinstance(model, EncoderModel):
        return Want(model.name, Prediction(encoder_bytes(model), 0, 0), 0, 0, True, 0, "torch")
    kind = backend_for(model, backend)
    models = [model] if draft is None else [model, draft]
    decoding = slots * (1 + (guesses if draft else 0))
    rows = max(PREFILL_ROWS, 2 * decoding)
    threads = torch.get_num_threads()
    parts = [predict(m, 0, rows, decoding, kind, threads) for m in models]
    if apart and kind != "triton":
        parts.append(Prediction(sum(map(integer_bytes, models)), 0, 0))
    sights = [m.shape.sight for m in models]
    limits = Limits(slots, 0, 0, PREFILL_ROWS, guesses, True, max(sights) if all(sights) else 0)
    each = min(limits.held(model.shape.context) * PAGE, model.shape.context)
    return Want(
        name=model.name,
        besides=sum(parts, Prediction(0, 0, 0)),
        each=each,
        wanted=positions or slots * each,
        fixed=positions is not None,
        bytes_a_position=sum(position_bytes(m, kind) for m in models),
        kind=kind,
    )


def share_out(
    wants: Sequence[Want], available: Callable[[BackendKind], int | None] = available_memory
) -> list[int]:
    """Positions of each model's cache, 0 where it has none.

    Models on a GPU share its memory, the others the machine's; `available` tells the bytes.

    Raises:
        EnvironmentMissing: what they need at least does not fit; says what each needs.
    """
    found: dict[int, int] = {}
    pools: tuple[tuple[BackendKind, ...], ...] = (("triton",), ("native", "torch"))
    for kinds in pools:
        places = [i for i, each in enumerate(wants) if each.kind in kinds]
        if places:
            shares = _shared([wants[i] for i in places], available(kinds[0]))
            found |= dict(zip(places, shares, strict=True))
    return [found[place] for place in range(len(wants))]


def _shared(wants: Sequence[Want], available: int | None) -> list[int]:
    """What all need at least comes first; half of the rest is shared by what each would like."""
    if available is None:
        return [each.wanted for each in wants]
    least = sum(each.least for each in wants)
    if least > available:
        raise EnvironmentMissing(_too_much(wants, available))
    more = sum(each.more for each in wants)
    part = min((available - least) / 2 / more, 1.0) if more else 0.0
    return [
        each.wanted if each.fixed else each.each + int(part * max(each.wanted - each.each, 0))
        for each in wants
    ]


def _too_much(wants: Sequence[Want], available: int) -> str:
    each = "; ".join(
        f"{w.name} {w.least / GIB:.2f} (weights {w.besides.weights / GIB:.2f}, working "
        f"{w.besides.working / GIB:.2f}, cache {(w.least - w.besides.total) / GIB:.2f})"
        for w in wants
    )
    total = sum(w.least for w in wants) / GIB
    return (
        f"{len(wants)} models need {total:.2f} GiB of memory together and {available / GIB:.2f} "
        f"GiB are available: {each}; serve fewer models, lower max_running or cache_positions, or "
        "free memory"
    )
