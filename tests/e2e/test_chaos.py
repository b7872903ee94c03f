"""One fault after another, under load, on a town of real processes: nothing is lost or paid twice.

A run of the tests has one fault, in which every service is killed. `ASSAY_CHAOS_ROUNDS` has all
faults, so often, and prints a table of them and their outcomes; `ASSAY_CHAOS_SEED` draws other
instants, `ASSAY_CHAOS_OUT` keeps the table as JSON; `python -m scripts.checks.chaos` sets them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

import pytest

from tests.e2e.chaos.books import Books, check
from tests.e2e.chaos.faults import FAULTS, SHORT
from tests.e2e.chaos.load import Load
from tests.e2e.chaos.settling import settle
from tests.e2e.chaos.town import Town, found_town

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits another process's files")

WHOLE = "ASSAY_CHAOS_ROUNDS" in os.environ
CHOSEN = tuple(FAULTS) if WHOLE else SHORT

ROUNDS = int(os.environ.get("ASSAY_CHAOS_ROUNDS", "1"))
SEED = int(os.environ.get("ASSAY_CHAOS_SEED", "1"))
OUT = os.environ.get("ASSAY_CHAOS_OUT")


@dataclass(frozen=True)
class Row:
    """A fault and what it did. `silence_seconds`: from the fault's end to the first answers."""

    fault: str
    answered: int
    refused: dict[str, int]
    unclear: list[str]
    silence_seconds: float
    books: Books

    def cells(self) -> list[str]:
        said = ", ".join(f"{count} {what}" for what, count in self.refused.items())
        books = self.books
        broken = [*books.broken(), self.unclear]
        answered = [str(self.answered), said or "none", f"{self.silence_seconds:.1f}"]
        return [self.fault, *answered, str(books.claims), *(str(len(each)) for each in broken)]


HEADINGS = (
    "fault", "answered", "refused", "silence s", "claims so far",
    "lost", "twice", "overspent", "misjudged", "differences", "unclear",
)  # fmt: skip


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with found_town(tmp_path_factory.mktemp("chaos")) as founded:
        yield founded


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[list[Row]]:
    rows: list[Row] = []
    yield rows
    if OUT:
        document = {"seed": SEED, "rounds": ROUNDS, "rows": [asdict(row) for row in rows]}
        Path(OUT).write_text(json.dumps(document, indent=2) + "\n")
    if not WHOLE:
        return
    lines = aligned([list(HEADINGS), *(row.cells() for row in rows)])
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print("", *lines, sep="\n")


@pytest.mark.parametrize("turn", range(ROUNDS))
@pytest.mark.parametrize("fault", CHOSEN)
def test_nothing_is_lost(fault: str, turn: int, town: Town, table: list[Row]) -> None:
    draw = Random(f"{SEED} {turn} {fault}")
    with Load(town.client, town.honest(), draw) as load:
        FAULTS[fault](town, draw)
        began = time.monotonic()
        silence = load.recovery(began)
    settle(town)
    refused = dict(load.refusals())
    receipts = load.receipts()
    books = check(town, receipts)
    row = Row(fault, len(receipts), refused, load.unclear(), silence, books)
    table.append(row)
    assert not row.unclear
    assert not any(books.broken()), books


def aligned(rows: list[list[str]]) -> list[str]:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
