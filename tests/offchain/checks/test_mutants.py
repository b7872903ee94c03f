"""Seeded faults: the table fits the contracts, and the script tells killed from survived."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from scripts.checks import mutants
from scripts.checks.mutants import BROKEN, KILLED, SURVIVED, TIMEOUT, Fault, Workspace

ECONOMY = (
    "tokens/AssayToken",
    "tokens/KaratToken",
    "tokens/MerkleAirdrop",
    "emissions/EmissionController",
    "staking/Staking",
    "staking/CreditMinter",
    "network/CreditLedger",
    "network/Settlement",
    "treasury/BurnAuction",
    "treasury/BurnTaker",
    "treasury/FeeRouter",
    "governance/Timelock",
    "modules/tickets",
)

CONTRACT = """\
# pragma version 0.4.3

from ..modules import rules


@external
@pure
def half(amount: uint256) -> uint256:
    assert amount > 0, "toy: nothing"
    return rules.half(amount)
"""

MODULE = """\
# pragma version 0.4.3


@internal
@pure
def half(amount: uint256) -> uint256:
    return amount // 2
"""

TESTS = """\
import os
import time
from pathlib import Path

from tests.support.evm import deployer


def test_half():
    toy = deployer("toys/Toy")()
    assert os.environ["ASSAY_ROOT"] == str(Path.cwd())
    assert toy.half(5) == 2
"""

# What compiles contracts for the tests, as it is.
SHARED = (
    "tests/__init__.py",
    "tests/conftest.py",
    "tests/support/__init__.py",
    "tests/support/evm.py",
)

FAULT = Fault("modules/rules", "rounds up", ("toy",), "amount // 2", "(amount + 1) // 2")


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A checkout of one contract, one module and one test."""
    files = {
        "contracts/toys/Toy.vy": CONTRACT,
        "contracts/modules/rules.vy": MODULE,
        "tests/unitary/toy/test_toy.py": TESTS,
        "pyproject.toml": "",
        **{name: (mutants.ROOT / name).read_text() for name in SHARED},
    }
    for name, text in files.items():
        path = tmp_path / "toy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "toy"


@pytest.fixture
def workspace(toy: Path, tmp_path: Path) -> Workspace:
    copy = Workspace(tmp_path / "copy", toy)
    copy.refresh()
    return copy


def verdict(workspace: Workspace, fault: Fault, timeout: float = 60.0) -> tuple[str, str]:
    found = mutants.try_fault(workspace, 0, fault, timeout, stateful=False)
    return found.outcome, found.by


def test_the_table_fits_the_contracts() -> None:
    found = {fault.why: mutants.misplaced(fault) for fault in mutants.read_faults()}
    assert {why: problem for why, problem in found.items() if problem} == {}


def test_the_table_has_enough_and_everything() -> None:
    faults = mutants.read_faults()
    assert len(faults) >= 40
    assert len({fault.why for fault in faults}) == len(faults)
    assert {fault.file for fault in faults} >= set(ECONOMY)
    for fault in faults:
        assert fault.before != fault.after
        for name in fault.tests:
            assert (mutants.ROOT / "tests" / "unitary" / name).is_dir(), name


def test_a_fault_in_a_module_is_killed_by_its_test(workspace: Workspace, toy: Path) -> None:
    assert verdict(workspace, FAULT) == (KILLED, "unitary/toy/test_toy.py::test_half")
    assert (toy / "contracts/modules/rules.vy").read_text() == MODULE
    assert (workspace.folder / "contracts/modules/rules.vy").read_text() == MODULE


def test_a_fault_that_no_test_asks_for_survives(workspace: Workspace) -> None:
    unasked = replace(
        FAULT, file="toys/Toy", before='    assert amount > 0, "toy: nothing"\n', after=""
    )
    assert verdict(workspace, unasked) == (SURVIVED, "")


def test_what_does_not_compile_is_not_killed(workspace: Workspace) -> None:
    outcome, by = verdict(workspace, replace(FAULT, after="amont // 2"))
    assert outcome == BROKEN
    assert by.startswith("does not compile")


def test_text_that_is_not_there_is_a_mistake_of_the_table(workspace: Workspace) -> None:
    outcome, by = verdict(workspace, replace(FAULT, before="amount / 2"))
    assert (outcome, by) == (BROKEN, "its text occurs 0 times in contracts/modules/rules.vy")


def test_tests_that_hang_are_ended(workspace: Workspace) -> None:
    test = workspace.folder / "tests/unitary/toy/test_toy.py"
    test.write_text(TESTS.replace("    toy = ", "    time.sleep(60)\n    toy = "))
    assert verdict(workspace, FAULT, timeout=8.0) == (TIMEOUT, "after 8 s")


def test_a_failing_baseline_proves_nothing(toy: Path, tmp_path: Path) -> None:
    (toy / "contracts/modules/rules.vy").write_text(MODULE.replace("// 2", "// 3"))
    with pytest.raises(SystemExit, match=r"tests/unitary/toy fails without a fault"):
        mutants.run([(0, FAULT)], 1, 60.0, stateful=False, work=tmp_path / "work", root=toy)


def test_the_share_counts_whatever_is_not_killed() -> None:
    outcomes = [KILLED] * 18 + [SURVIVED, BROKEN]
    verdicts = [
        mutants.Verdict(n, "x", "y", outcome, "", 1.0) for n, outcome in enumerate(outcomes)
    ]
    found = mutants.document(verdicts)
    assert (found["killed"], found["killed_percent"]) == (18, 90.0)


def test_a_real_contract_is_changed_where_its_suite_looks(tmp_path: Path) -> None:
    """The suites' own ways to find contracts end in the copy: a fault there fails there."""
    fault = next(f for f in mutants.read_faults() if f.file == "modules/one_shot")
    copy = Workspace(tmp_path / "copy")
    copy.refresh()
    with copy.seeded(fault):
        outcome, by = copy.test(["tests/unitary/assay_token/test_init.py"], 300)
    assert outcome == KILLED, by
