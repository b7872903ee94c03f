"""From events to tables: one file for each part of the protocol.

A fold takes an event and changes rows; it asks neither chain nor clock. So the tables are a
function of the events alone, and a rebuild gives the same ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from assay.indexer.folds import claims, credit, economy, games, treasury
from assay.indexer.folds.base import Happening

Fold = Callable[[Happening], None]

FOLDS: Mapping[tuple[str, str], Fold] = {
    **claims.FOLDS,
    **games.FOLDS,
    **credit.FOLDS,
    **economy.FOLDS,
    **treasury.FOLDS,
}


def fold(happening: Happening) -> None:
    """Work one event in; most kinds change no table but that of events."""
    found = FOLDS.get((happening.contract, happening.name))
    if found is not None:
        found(happening)
