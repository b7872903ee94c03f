"""Speculation: a small model guesses the next tokens, the large one checks them in one pass.

The draft draws as the target does, with the request's seed and the token's index, so at any
temperature the two choose alike where their logits agree. A guess decides only how many of the
target's tokens come of one pass, never which.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from assay.core.errors import ConfigError
from assay.engine.forward import Decoder, Segment
from assay.engine.planner import Part
from assay.engine.sampler import Draw, Sampler
from assay.exact.model import ExactModel


def check_draft(target: ExactModel, draft: ExactModel) -> None:
    """Raise ConfigError unless the draft's tokens are the target's and go as far."""
    for what, wanted, found in (
        ("tokenizer", target.tokenizer_hash.hex(), draft.tokenizer_hash.hex()),
        ("vocabulary", target.shape.vocab, draft.shape.vocab),
    ):
        if wanted != found:
            raise ConfigError(
                f"the draft {draft.name} has {what} {found}, {target.name} has {wanted}; take a "
                "draft of the same family, or none"
            )
    if draft.shape.context < target.shape.context:
        raise ConfigError(
            f"the draft {draft.name} has a context of {draft.shape.context}, {target.name} one of "
            f"{target.shape.context}; take a draft with as long a context, or none"
        )


class Draft:
    """A draft model over pages of its own, numbered as the target's: one page table serves both."""

    def __init__(self, decoder: Decoder, sampler: Sampler, pages: int) -> None:
        self._decoder = decoder
        self._sampler = sampler
        self._cache = decoder.new_cache(pages)

    def guess(self, parts: Sequence[Part]) -> dict[int, list[int]]:
        """As many tokens for each request as its part has room for; follows along with the others.

        A request's `drafted` is then the number of tokens and guesses that the draft's pages hold.
        """
        guesses: dict[int, list[int]] = {part.request.id: [] for part in parts}
        self._pass(parts, [_catching_up(part) for part in parts], guesses)
        while going := [p for p in parts if 0 < len(guesses[p.request.id]) < p.guesses]:
            segments = []
            for part in going:
                request, so_far = part.request, guesses[part.request.id]
                start = len(request.tokens) + len(so_far) - 1
                segments.append(Segment(request.pages, start, so_far[-1:]))
            self._pass(going, segments, guesses)
        return guesses

    def _pass(
        self, parts: Sequence[Part], segments: Sequence[Segment], guesses: dict[int, list[int]]
    ) -> None:
        rows, asking = [], []
        ends = accumulate(len(segment.tokens) for segment in segments)
        for part, segment, end in zip(parts, segments, ends, strict=True):
            part.request.drafted = segment.end
            if part.guesses:
                rows.append(end - 1)
                asking.append(part.request)
        hidden = self._decoder.hidden(self._cache, segments, rows)
        if not asking:
            return
        draws = [Draw(r.params, r.output + len(guesses[r.id])) for r in asking]
        tokens = self._sampler.choose(self._decoder.logits(hidden), draws)
        for request, token in zip(asking, tokens, strict=True):
            guesses[request.id].append(token)


def _catching_up(part: Part) -> Segment:
    """What the target computes, guesses aside, and what the draft has missed before."""
    request = part.request
    return Segment(request.pages, request.drafted, request.tokens[request.drafted : part.end])
