"""How commands print: tables for people, one JSON document with `--json`, errors on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from assay.core.errors import AssayError

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

REFUTED = 1  # a verdict, not an error: what was to be verified is false
FAILED = 2
INTERRUPTED = 130

stdout = Console(highlight=False)
stderr = Console(stderr=True, highlight=False)


def plain(value: object) -> Any:
    """The JSON form: bytes as 0x-hex, dataclasses and mappings as objects, tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def print_json(value: object) -> None:
    """One document on stdout, whatever stdout is."""
    sys.stdout.write(json.dumps(plain(value), indent=2, default=str) + "\n")
    sys.stdout.flush()


def print_line(value: object) -> None:
    """One document on one line of stdout, at once."""
    sys.stdout.write(json.dumps(plain(value), default=str) + "\n")
    sys.stdout.flush()


@contextmanager
def progress() -> Iterator[Callable[[str, float], None]]:
    """A line on stderr with a bar: call it with what is being done and the share that is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True) as bars:
        task = bars.add_task("starting", total=1.0)
        yield lambda what, share: bars.update(task, description=what, completed=share)


def print_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table whose cells are shown with `str`; numbers are aligned right."""
    rows = [tuple(row) for row in rows]
    result = Table(title=title, title_justify="left")
    for index, name in enumerate(header):
        numeric = bool(rows) and all(isinstance(row[index], int | float) for row in rows)
        result.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        result.add_row(*(shown(cell) for cell in row))
    stdout.print(result)


def print_fields(title: str, fields: Mapping[str, object]) -> None:
    """Names and values, a line each; a long value is never cut."""
    print_rows(title, list(fields.items()))


def print_rows(title: str, rows: Sequence[tuple[str, object]]) -> None:
    """As `print_fields`, where a name may come twice."""
    width = max((len(name) for name, _ in rows), default=0)
    stdout.print(Text(title, style="bold"))
    for name, value in rows:
        line = Text.assemble((f"  {name:<{width}}  ", "dim"), shown(value))
        stdout.print(line, soft_wrap=True)


def shown(value: object) -> str:
    """Text of a cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def fail(error: AssayError, as_json: bool) -> int:
    """Report an error; returns the exit code."""
    stderr.print(f"[bold red]error[/] \\[{error.code}] ", end="")
    stderr.print(error.message, markup=False, soft_wrap=True)
    if as_json:
        print_json({"error": {"code": error.code, "message": error.message}})
    return FAILED
