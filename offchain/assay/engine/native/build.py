"""Compiles the native kernels into one shared library, with whatever C++ compiler there is.

    python -m assay.engine.native.build

The library's name carries a hash of its sources, flags, compiler and machine, so a stale one is
never found; it is written beside its final name and renamed, so several builds at once are safe.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from assay.core.errors import EnvironmentMissing

SOURCES = Path(__file__).parent
COMPILERS = ("c++", "g++", "clang++")
FLAGS = ("-std=c++17", "-O3", "-fPIC", "-fno-math-errno", "-fvisibility=hidden", "-w")
LINK_FLAGS = ("-shared", "-pthread")
KERNELS = "kernels.cpp"
_AVX512 = ("f", "bw", "dq", "vl", "vnni")
X86_FLAGS = {
    "avx512": ("-DASSAY_ISA_AVX512", *(f"-mavx512{part}" for part in _AVX512)),
    "avx2": ("-DASSAY_ISA_AVX2", "-mavx2"),
}
TIMEOUT_SECONDS = 600


def library_path() -> Path:
    """Where the library of the present sources lies, once it is built.

    `ASSAY_NATIVE_DIR` names another folder than the package's own, for packages that are
    installed where their user cannot write.
    """
    folder = os.environ.get("ASSAY_NATIVE_DIR")
    return (Path(folder) if folder else SOURCES / "build") / f"assay-{_fingerprint()}.so"


def build() -> Path:
    """The library's path, after compiling it if it is not there.

    Raises:
        EnvironmentMissing: there is no compiler, it fails, or the folder cannot be written.
    """
    path = library_path()
    if path.exists():
        return path
    compiler = find_compiler()
    if compiler is None:
        raise EnvironmentMissing(
            f"no C++ compiler ({', '.join(COMPILERS)}) was found; install one, or set CXX"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            made = _compile(compiler, Path(work))
            os.replace(made, path)
    except OSError as error:
        raise EnvironmentMissing(
            f"cannot write {path.parent} ({error.strerror}); set ASSAY_NATIVE_DIR to a folder "
            "that can be written"
        ) from error
    return path


def find_compiler() -> str | None:
    """CXX, or the first of the usual names."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else COMPILERS
    return next((found for name in names if (found := shutil.which(name))), None)


def _compile(compiler: str, work: Path) -> Path:
    objects = []
    for source, name, flags in _units():
        target = work / f"{name}.o"
        _call([compiler, *FLAGS, *flags, "-c", str(SOURCES / source), "-o", str(target)])
        objects.append(str(target))
    library = work / "library.so"
    _call([compiler, *LINK_FLAGS, *objects, "-o", str(library)])
    return library


def _units() -> list[tuple[str, str, Sequence[str]]]:
    """(source, object name, its own flags): the kernels once for each instruction set."""
    isas = {"portable": ()} | (X86_FLAGS if _is_x86() else {})
    kernels = [(KERNELS, name, (f"-DASSAY_ISA={name}", *flags)) for name, flags in isas.items()]
    return [*kernels, ("library.cpp", "library", ()), ("pool.cpp", "pool", ())]


def _is_x86() -> bool:
    return platform.machine().lower() in ("x86_64", "amd64")


def _call(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentMissing(f"{command[0]} took over {TIMEOUT_SECONDS} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise EnvironmentMissing(f"{command[0]} failed: {said[0]}")


def _fingerprint() -> str:
    digest = hashlib.sha256(repr((platform.machine(), FLAGS, LINK_FLAGS, _units())).encode())
    for path in sorted(SOURCES.glob("*.[ch]pp")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    try:
        print(build())
    except EnvironmentMissing as missing:
        sys.exit(f"native kernels: {missing}")
