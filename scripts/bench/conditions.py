"""Under which conditions a figure was measured: machine, versions, and how a table is printed."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from assay.chain.anvil import find_anvil

stderr = Console(stderr=True)


def machine() -> dict[str, object]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
    }


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Of Python, these packages and Anvil."""
    found = {name: version(name) for name in packages}
    return {"python": platform.python_version(), **found, "anvil": _anvil_version()}


def print_table(title: str, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """On stderr; underscores of the columns become spaces."""
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name.replace("_", " "))
    for row in rows:
        table.add_row(*(shown(row.get(name, "")) for name in columns))
    stderr.print(table)


def shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cpu_name() -> str:
    """Linux tells the model in /proc; elsewhere the architecture has to do."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())


def _anvil_version() -> str:
    output = subprocess.run([find_anvil(), "--version"], capture_output=True, text=True, check=True)
    return output.stdout.splitlines()[0].removeprefix("anvil Version:").strip()
