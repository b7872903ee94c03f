"""Which package of `assay` may import what; `offchain/README.md` states these rules in words.

`assay_verifier` stands alone: it imports nothing of ours, and nothing of ours imports it.

    python scripts/checks/imports.py      prints every violation, exits 1 if there is one

Read from the syntax tree, so an import inside a function or under TYPE_CHECKING counts too.
A package that is missing in `RULES` is a violation: whoever adds one decides its rule.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "offchain"
OURS = "assay"
ALONE = "assay_verifier"
ALONE_MAY = {*sys.stdlib_module_names, "numpy", "eth_hash"}

TORCH = ("torch", "transformers")
NETWORK = ("socket", "ssl", "http", "urllib", "urllib3", "requests", "httpx", "aiohttp")
SYSTEM = ("os", "io", "pathlib", "shutil", "subprocess", "tempfile", "logging", "sqlite3")
RPC = ("web3",)
LEDGER = (*RPC, "eth_account", "eth_abi", "eth_keys")
COMPILERS = ("vyper", "boa", "ape")
DATABASES = ("sqlalchemy", "alembic")
SERVERS = ("fastapi", "uvicorn", "starlette")
FILES_AND_SCREEN = ("open", "print", "input")
SENDING = ("send_transaction", "send_raw_transaction", "sign_transaction", "transact")
CHANCE = ("time", "datetime", "random", "secrets", "threading")
BELOW = ("core", "exact", "engine", "trace", "chain")
SERVICES = ("provider", "challenger", "gateway", "keeper", "indexer")


@dataclass(frozen=True)
class Rule:
    """What the files of one package may reach.

    ours     packages of ours that it may import, beside itself
    never    other modules that it must not import
    calls    builtins that it must not call
    methods  attributes that it must not use: only `chain` sends transactions
    """

    ours: tuple[str, ...]
    never: tuple[str, ...]
    calls: tuple[str, ...] = ()
    methods: tuple[str, ...] = SENDING


RULES = {
    "core": Rule((), (*TORCH, *RPC, *COMPILERS)),
    "exact": Rule(
        ("core",),
        (*TORCH, *NETWORK, *SYSTEM, *CHANCE, *LEDGER, *COMPILERS, *SERVERS, *DATABASES),
        FILES_AND_SCREEN,
    ),
    "engine": Rule(("core", "exact"), (*NETWORK, *LEDGER, *COMPILERS, *SERVERS, *DATABASES)),
    "trace": Rule(("core", "exact"), (*TORCH, *NETWORK, *LEDGER, *COMPILERS, *SERVERS, *DATABASES)),
    "chain": Rule(("core",), (*TORCH, *SERVERS, *DATABASES), methods=()),
    "provider": Rule(BELOW, (*RPC, *COMPILERS)),
    "challenger": Rule(BELOW, (*RPC, *COMPILERS)),
    "gateway": Rule(BELOW, (*RPC, *COMPILERS)),
    "keeper": Rule(("core", "chain"), (*TORCH, *RPC, *COMPILERS, *DATABASES)),
    "indexer": Rule(("core", "chain"), (*TORCH, *LEDGER, *COMPILERS)),
    "books": Rule(("core", "chain", "indexer"), (*TORCH, *RPC, *COMPILERS, *SERVERS)),
    "wallet": Rule(("core", "chain"), (*TORCH, *RPC, *SERVERS, "vyper", "boa")),
    "demo": Rule((*BELOW, *SERVICES), (*RPC, *COMPILERS)),
    "cli": Rule((*BELOW, *SERVICES, "books", "wallet", "demo"), (*RPC, *COMPILERS)),
}


@dataclass(frozen=True)
class Violation:
    """One line that breaks a rule."""

    path: Path
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.what}"


def violations(sources: Path) -> list[Violation]:
    """All violations in the trees of `sources`, in the order of paths and lines."""
    found = [
        Violation(path, line, f"{ALONE} must not import {name}")
        for path in sorted((sources / ALONE).rglob("*.py"))
        for line, name in outside(path, (ALONE, *path.relative_to(sources / ALONE).parts[:-1]))
    ]
    for path in sorted((sources / OURS).rglob("*.py")):
        parts = path.relative_to(sources / OURS).parts
        package = parts[0] if len(parts) > 1 else ""
        if package and package not in RULES:
            found.append(Violation(path, 1, f"package {package!r} has no rule in RULES"))
        elif package:
            module = (OURS, *parts[:-1])
            found += check_file(path, module, package, RULES[package])
    return found


def outside(path: Path, module: tuple[str, ...]) -> list[tuple[int, str]]:
    """(line, name) of what a file of the package that stands alone must not import."""
    return sorted(
        (node.lineno, name)
        for node in ast.walk(ast.parse(path.read_text(), str(path)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in imported(node, module)
        if name.partition(".")[0] not in {ALONE, *ALONE_MAY}
    )


def check_file(path: Path, module: tuple[str, ...], package: str, rule: Rule) -> list[Violation]:
    """Violations of one file; `module` is the dotted name of the package that it lies in."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        for what in reasons(node, module, package, rule):
            found.append(Violation(path, getattr(node, "lineno", 1), what))
    return sorted(set(found), key=lambda violation: (violation.line, violation.what))


def reasons(node: ast.AST, module: tuple[str, ...], package: str, rule: Rule) -> Iterator[str]:
    """What is wrong with one node, if anything."""
    for name in imported(node, module):
        if reason := breaks(name, package, rule):
            yield reason
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id in rule.calls:
            yield f"{package} must not call {node.func.id}()"
    elif isinstance(node, ast.Attribute) and node.attr in rule.methods:
        yield f"{package} must not use .{node.attr}: only chain sends transactions"


def imported(node: ast.AST, module: tuple[str, ...]) -> Iterator[str]:
    """Absolute dotted names that a statement imports; `from a import b` gives `a.b`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = module[: len(module) - node.level + 1] if node.level else ()
        stem = [*base, *(node.module or "").split(".")] if node.module else [*base]
        yield from (".".join([*stem, alias.name]) for alias in node.names)


def breaks(name: str, package: str, rule: Rule) -> str | None:
    """Why this package must not import `name`, or None."""
    top, _, rest = name.partition(".")
    if top == ALONE:
        return f"{package} must not import {ALONE}, which stands alone"
    if top != OURS:
        return f"{package} must not import {top}" if top in rule.never else None
    target = rest.split(".")[0]
    if target in ("", package, *rule.ours) or target not in RULES:
        return None
    allowed = ", ".join(rule.ours) or "nothing else of ours"
    return f"{package} must not import {OURS}.{target} (allowed: {allowed})"


def main() -> int:
    found = violations(SOURCES)
    for violation in found:
        print(violation)
    print(f"import rules: {len(found)} violations in {len(RULES) + 1} packages")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
