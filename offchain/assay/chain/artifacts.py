"""Compiles the contracts with the Vyper of this environment, cached by the hash of all sources.

A cached artifact is `.build/contracts/<hash>/<Name>.json` (abi, bytecode, runtime hash) in the
checkout; it is written whole or not at all, so concurrent compilers agree.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from eth_abi.abi import encode

from assay.core.errors import CompileError

SOURCE_SUFFIXES = {".vy", ".vyi"}


@dataclass(frozen=True)
class Artifact:
    """A compiled contract: its ABI and creation code as 0x-prefixed hex."""

    name: str
    abi: list[dict[str, Any]]
    bytecode: str


def project_root() -> Path:
    """The checkout: $ASSAY_ROOT, else the folder above this package that holds contracts/."""
    override = os.environ.get("ASSAY_ROOT")
    candidates = [Path(override)] if override else list(Path(__file__).resolve().parents)
    for folder in candidates:
        if (folder / "contracts" / "interfaces").is_dir():
            return folder
    raise CompileError(
        "no contracts/ folder above the package; run from a checkout or set ASSAY_ROOT to one"
    )


def find_source(name: str) -> Path:
    """The .vy file of a contract, by its name."""
    found = sorted((project_root() / "contracts").rglob(f"{name}.vy"))
    if len(found) != 1:
        raise CompileError(f"expected one contracts/**/{name}.vy, found {len(found)}")
    return found[0]


def compiled(name: str) -> Artifact:
    """The artifact of a contract, from the cache or freshly compiled."""
    folder = project_root() / ".build" / "contracts" / sources_hash()
    path = folder / f"{name}.json"
    if path.is_file():
        return Artifact(**json.loads(path.read_text()))
    artifact = _compile(name, find_source(name))
    _write_atomically(path, json.dumps(asdict(artifact)))
    return artifact


@cache
def sources_hash() -> str:
    """First 16 hex digits of a hash over every source and the compiler's version."""
    contracts = project_root() / "contracts"
    digest = sha256(_versions().encode())
    for path in sorted(p for p in contracts.rglob("*") if p.suffix in SOURCE_SUFFIXES):
        digest.update(path.relative_to(contracts).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _versions() -> str:
    try:
        return f"vyper {version('vyper')} snekmate {version('snekmate')}"
    except PackageNotFoundError as error:
        raise CompileError(
            f"{error.name} is not installed; install the package with its [contracts] extra"
        ) from error


def _compile(name: str, source: Path) -> Artifact:
    from vyper.compiler import CompilerData  # type: ignore[import-untyped]
    from vyper.compiler.input_bundle import FilesystemInputBundle  # type: ignore[import-untyped]
    from vyper.compiler.output import build_abi_output  # type: ignore[import-untyped]
    from vyper.exceptions import VyperException  # type: ignore[import-untyped]

    root = project_root()
    paths = [Path(p) for p in reversed(sys.path) if p and Path(p).is_dir()]
    bundle = FilesystemInputBundle([*paths, root])
    try:
        data = CompilerData(bundle.load_file(source), bundle)
        return Artifact(name, build_abi_output(data), f"0x{data.bytecode.hex()}")
    except VyperException as error:
        raise CompileError(f"{source.relative_to(root)} does not compile: {error}") from error


def encoded_arguments(name: str, abi: list[dict[str, Any]], values: dict[str, Any]) -> bytes:
    """Arguments of a constructor, by the names in the ABI; one with no value is never guessed.

    A trailing underscore of a name does not count. Structs are mappings by their fields' names.
    """
    inputs = constructor_inputs(abi)
    if set(inputs) != set(values):
        raise CompileError(
            f"{name}'s constructor takes ({', '.join(inputs)}), the plan gives "
            f"({', '.join(values)}); bring assay.chain.plan in line with the contract"
        )
    types = [_type(entry) for entry in inputs.values()]
    return encode(types, [aligned(entry, values[key]) for key, entry in inputs.items()])


def constructor_inputs(abi: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The constructor's entries by name, without a trailing underscore."""
    constructor = next((entry for entry in abi if entry.get("type") == "constructor"), {})
    return {str(entry["name"]).rstrip("_"): entry for entry in constructor.get("inputs", [])}


def _type(entry: dict[str, Any]) -> str:
    """Canonical type of an ABI entry, structs as tuples."""
    kind = str(entry["type"])
    if not kind.startswith("tuple"):
        return kind
    return f"({','.join(map(_type, entry['components']))}){kind.removeprefix('tuple')}"


def aligned(entry: dict[str, Any], value: Any) -> Any:
    """A value as it is encoded: structs as tuples, words as bytes."""
    kind = str(entry["type"])
    if kind.endswith("]"):
        inner = {**entry, "type": kind[: kind.rindex("[")]}
        return [aligned(inner, item) for item in value]
    if kind == "tuple":
        return tuple(aligned(part, value[part["name"]]) for part in entry["components"])
    if kind.startswith("bytes") and isinstance(value, str):
        return bytes.fromhex(value.removeprefix("0x"))
    return value


def _write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w") as output:
        output.write(text)
    os.replace(temporary, path)
