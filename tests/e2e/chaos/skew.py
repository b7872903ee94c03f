"""A process with a wall clock that is wrong, by a small library that is loaded before libc."""

from __future__ import annotations

import subprocess
from pathlib import Path

from assay.engine.native.build import find_compiler
from tests.integration.services import Running

SOURCE = Path(__file__).with_name("skew.cpp")


def make_library(folder: Path) -> Path:
    """Compile it; needs the compiler that the native kernels need."""
    compiler, target = find_compiler(), folder / "skew.so"
    assert compiler is not None, "no C++ compiler; see the README of tests"
    command = [compiler, "-shared", "-fPIC", "-O1", str(SOURCE), "-o", str(target)]
    subprocess.run(command, check=True, timeout=60)
    return target


def set_clock(service: Running, library: Path, seconds: int) -> None:
    """From its next start on, so many seconds ahead; 0 for the right time."""
    for name in ("LD_PRELOAD", "ASSAY_CHAOS_SKEW"):
        service.environment.pop(name, None)
    if seconds:
        service.environment |= {"LD_PRELOAD": str(library), "ASSAY_CHAOS_SKEW": str(seconds)}
