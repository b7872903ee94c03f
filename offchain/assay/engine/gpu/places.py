"""Where a pass's rows belong: made on the host, read by the kernels of attention."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from assay.engine.backends.base import PAGE, Segment


@dataclass(frozen=True)
class Placed:
    """Where T rows belong, in B blocks of rows of one sequence each, see `gpu.attention`.

    tokens, positions, pages (T,), firsts, counts, starts (B,), tables: int32 on the device.
    """

    tokens: Tensor
    positions: Tensor
    pages: Tensor
    firsts: Tensor
    counts: Tensor
    starts: Tensor
    tables: Tensor


@dataclass
class Places:
    """`Placed` on the host, as it grows by segments."""

    tokens: list[int] = field(default_factory=list)
    positions: list[int] = field(default_factory=list)
    pages: list[int] = field(default_factory=list)
    firsts: list[int] = field(default_factory=list)
    counts: list[int] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    tables: list[int] = field(default_factory=list)

    def add(self, segment: Segment, rows: int) -> None:
        """A segment, in blocks of so many rows."""
        table, begin = segment.table(), len(self.tokens)
        span = range(segment.start, segment.end)
        for first in range(0, len(span), rows):
            self.firsts.append(begin + first)
            self.counts.append(min(rows, len(span) - first))
            self.starts.append(len(self.tables))
        self.tokens += segment.tokens
        self.positions += span
        self.pages += [table[position // PAGE] for position in span]
        self.tables += table

    def columns(self) -> tuple[list[int], ...]:
        return (
            self.tokens, self.positions, self.pages,
            self.firsts, self.counts, self.starts, self.tables,
        )  # fmt: skip
