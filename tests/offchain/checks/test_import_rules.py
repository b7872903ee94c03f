"""The import rules: the tree keeps them, and each kind of breach is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks import imports
from scripts.checks.imports import RULES, SOURCES, violations


def broken_by(tmp_path: Path, package: str, source: str) -> list[str]:
    """What the check says of a tree with one file, `assay/<package>/file.py`."""
    folder = tmp_path / "assay" / package
    folder.mkdir(parents=True)
    (folder / "file.py").write_text(source)
    return [violation.what for violation in violations(tmp_path)]


def broken_alone(tmp_path: Path, source: str) -> list[str]:
    """What the check says of a tree with one file, `assay_verifier/file.py`."""
    folder = tmp_path / "assay_verifier"
    folder.mkdir(parents=True)
    (folder / "file.py").write_text(source)
    return [violation.what for violation in violations(tmp_path)]


def test_the_tree_keeps_the_rules() -> None:
    assert [str(violation) for violation in violations(SOURCES)] == []


def test_every_package_of_the_tree_has_a_rule() -> None:
    packages = {path.parent.name for path in SOURCES.glob("assay/*/*.py")}
    assert packages <= set(RULES)
    assert {"core", "exact", "engine", "trace", "chain"} <= packages


@pytest.mark.parametrize(
    ("package", "source", "what"),
    [
        ("core", "from assay.exact import ops", "assay.exact"),
        ("core", "import assay.chain.sender", "assay.chain"),
        ("exact", "import socket", "socket"),
        ("exact", "from pathlib import Path", "pathlib"),
        ("exact", "import torch.nn", "torch"),
        ("exact", "def read():\n    return open('x')", "open"),
        ("engine", "def f():\n    from web3 import Web3", "web3"),
        ("engine", "from assay import trace", "assay.trace"),
        ("trace", "from ..engine.engine import Engine", "assay.engine"),
        ("trace", "import torch", "torch"),
        ("chain", "from assay.exact.ops import linear", "assay.exact"),
        ("provider", "from assay.challenger import solver", "assay.challenger"),
        ("challenger", "from ..provider import worker", "assay.provider"),
        ("gateway", "if TYPE_CHECKING:\n    from assay.provider import worker", "assay.provider"),
        ("gateway", "from web3 import Web3", "web3"),
        ("cli", "def f(w):\n    w.eth.send_raw_transaction(b'')", "only chain sends"),
        ("cli", "from assay_verifier import verdict", "stands alone"),
        ("core", "def f():\n    import assay_verifier.hashes", "stands alone"),
        ("tools", "x = 1", "no rule"),
    ],
)
def test_a_breach_is_found(tmp_path: Path, package: str, source: str, what: str) -> None:
    found = broken_by(tmp_path, package, source)
    assert len(found) == 1
    assert what in found[0]


@pytest.mark.parametrize(
    "source",
    [
        "from assay.exact import ops",
        "import assay.core.hashes",
        "from ..assay import exact",
        "if TYPE_CHECKING:\n    from assay.core.types import Job",
        "def f():\n    import torch",
        "import eth_abi",
    ],
)
def test_the_second_verifier_stands_alone(tmp_path: Path, source: str) -> None:
    assert len(broken_alone(tmp_path, source)) == 1
    assert (
        broken_alone(
            tmp_path / "kept",
            "import json\nimport numpy as np\nfrom eth_hash.auto import keccak\n"
            "from . import hashes\nfrom assay_verifier.opcodes import Op",
        )
        == []
    )


@pytest.mark.parametrize(
    ("package", "source"),
    [
        ("exact", "import numpy as np\nfrom assay.core.types import Op\nfrom . import fixed"),
        ("engine", "import torch\nfrom assay.exact import ops"),
        ("chain", "def f(w):\n    w.eth.send_raw_transaction(b'')"),
        ("cli", "from assay.provider import service\nfrom assay.challenger import service"),
    ],
)
def test_what_a_rule_allows_passes(tmp_path: Path, package: str, source: str) -> None:
    assert broken_by(tmp_path, package, source) == []


def test_the_command_names_the_line_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken_by(tmp_path, "exact", "import math\nimport socket")
    monkeypatch.setattr(imports, "SOURCES", tmp_path)
    assert imports.main() == 1
    assert "file.py:2: exact must not import socket" in capsys.readouterr().out
