"""Seeds faults into the contracts, one at a time, and shows which of them the tests notice.

    python -m scripts.checks.mutants [--only N,N] [--file NAME] [--jobs 2] [--timeout 600]
                                     [--stateful] [--no-baseline] [--out FILE]

The faults are stated in faults.toml. Each is written into a copy of contracts/, compiled, and the
tests that it names are run there with -x; the checkout is never touched. A fault that does not
compile, or whose text is not in its file, is a mistake of the table, and not counted as killed.
With --stateful, what the unit tests let pass is tried on the stateful suite, in its smoke profile.

Prints one JSON document on stdout and a table on stderr; exits 1 below 95 % killed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from queue import Queue

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
FAULTS = Path(__file__).resolve().with_name("faults.toml")
WORK = ROOT / ".build" / "mutants"
COPIED = ("contracts", "tests", "scripts")  # and pyproject.toml
STATEFUL = "tests/stateful/test_economy.py"
WANTED_PERCENT = 95
KILLED, SURVIVED, TIMEOUT, BROKEN = "killed", "survived", "timed out", "broken"
IMPORT = re.compile(r"^from (?:\.\.modules|\.) import (\w+)", re.MULTILINE)
COMPILE = """
import sys
import tests.conftest
from tests.support.evm import deployer
for source in sys.argv[1:]:
    deployer(source)
"""

stderr = Console(stderr=True)


@dataclass(frozen=True)
class Fault:
    """One change; faults.toml says what the fields mean."""

    file: str
    why: str
    tests: tuple[str, ...]
    before: str
    after: str

    @property
    def path(self) -> str:
        return f"contracts/{self.file}.vy"


@dataclass(frozen=True)
class Verdict:
    """What became of a fault: `by` is the first test that failed, or what went wrong."""

    number: int
    file: str
    why: str
    outcome: str
    by: str
    seconds: float


def read_faults(path: Path = FAULTS) -> list[Fault]:
    """The table, in its order."""
    table = tomllib.loads(path.read_text())["fault"]
    return [Fault(**{**row, "tests": tuple(row["tests"])}) for row in table]


def misplaced(fault: Fault, root: Path = ROOT) -> str | None:
    """Why a fault cannot be seeded, if it cannot."""
    path = root / fault.path
    if not path.is_file():
        return f"no file {fault.path}"
    found = path.read_text().count(fault.before)
    return None if found == 1 else f"its text occurs {found} times in {fault.path}"


class Workspace:
    """A copy of what the tests need. Its .build/ stays between runs: compiling takes longest.

    Contracts are loaded from the working directory and imported from the root that conftest.py
    names; the compiler of the services follows $ASSAY_ROOT. All three are this folder.
    """

    def __init__(self, folder: Path, root: Path = ROOT) -> None:
        self.folder, self.root = folder, root

    def refresh(self) -> None:
        """Copy the checkout again, all but what was compiled here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in COPIED:
            shutil.rmtree(self.folder / name, ignore_errors=True)
            if (self.root / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "results", "node_modules")
                shutil.copytree(self.root / name, self.folder / name, ignore=ignored)
        shutil.copy(self.root / "pyproject.toml", self.folder)

    @contextmanager
    def seeded(self, fault: Fault) -> Iterator[None]:
        """The fault is in the copy meanwhile."""
        path = self.folder / fault.path
        original = path.read_text()
        path.write_text(original.replace(fault.before, fault.after))
        try:
            yield
        finally:
            path.write_text(original)

    def compile(self, file: str, timeout: float) -> str | None:
        """Compile every contract that the file is part of; the error, if there is one."""
        sources = affected(self.folder, file)
        result = self._run([sys.executable, "-c", COMPILE, *sources], timeout)
        if result is None or result.returncode == 0:
            return None  # too slow to tell; the tests will be, too
        lines = [line for line in result.stderr.splitlines() if line.strip()]
        return lines[-1] if lines else f"exit status {result.returncode}"

    def test(self, tests: Sequence[str], timeout: float) -> tuple[str, str]:
        """Outcome and the first failure of `pytest -x` over these paths."""
        options = ("-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header", "--tb=no")
        result = self._run([sys.executable, "-m", "pytest", *options, *tests], timeout)
        if result is None:
            return TIMEOUT, f"after {timeout:.0f} s"
        if result.returncode == 0:
            return SURVIVED, ""
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", result.stdout, re.MULTILINE)
        if result.returncode == 1 and failed:
            return KILLED, failed.group(1).removeprefix("tests/")
        said = (result.stdout + result.stderr).strip().splitlines()
        return BROKEN, f"pytest's status is {result.returncode}: {said[-1] if said else ''}"

    def _run(
        self, command: Sequence[str], timeout: float
    ) -> subprocess.CompletedProcess[str] | None:
        """None if it took too long."""
        environment = {
            **os.environ,
            "ASSAY_ROOT": str(self.folder),
            "ASSAY_STATEFUL": "smoke",
            "CI": "1",  # properties draw the same every time
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        try:
            return subprocess.run(
                command,
                cwd=self.folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None


def affected(root: Path, file: str) -> list[str]:
    """Contracts to deploy that the file is part of: itself, or all that import the module."""
    if not file.startswith("modules/"):
        return [file]
    module = file.removeprefix("modules/")
    sources = sorted((root / "contracts").glob("*/*.vy"))
    return [
        source.relative_to(root / "contracts").with_suffix("").as_posix()
        for source in sources
        if source.parent.name != "modules" and module in modules_of(source)
    ]


@cache
def modules_of(source: Path) -> frozenset[str]:
    """Names of all our modules that a contract imports, by whatever way."""
    found: set[str] = set()
    folder = source.parents[1] / "modules"
    for name in IMPORT.findall(source.read_text()):
        if (folder / f"{name}.vy").is_file():
            found |= {name} | modules_of(folder / f"{name}.vy")
    return frozenset(found)


def try_fault(
    workspace: Workspace, number: int, fault: Fault, timeout: float, stateful: bool
) -> Verdict:
    """Seed one fault and run its tests."""
    begin = time.monotonic()
    outcome, by = BROKEN, misplaced(fault, workspace.folder) or ""
    if not by:
        with workspace.seeded(fault):
            by = workspace.compile(fault.file, timeout) or ""
            if by:
                by = f"does not compile: {by}"
            else:
                tests = [f"tests/unitary/{name}" for name in fault.tests]
                outcome, by = workspace.test(tests, timeout)
                if outcome == SURVIVED and stateful:
                    outcome, by = workspace.test([STATEFUL], timeout)
    seconds = round(time.monotonic() - begin, 1)
    return Verdict(number, fault.file, fault.why, outcome, by, seconds)


def run(
    chosen: Sequence[tuple[int, Fault]],
    jobs: int,
    timeout: float,
    stateful: bool,
    baseline: bool = True,
    work: Path = WORK,
    root: Path = ROOT,
) -> list[Verdict]:
    """All verdicts, in the order of the faults. The first workspace checks the baseline."""
    free: Queue[Workspace] = Queue()
    for index in range(jobs):
        workspace = Workspace(work / str(index), root)
        workspace.refresh()
        free.put(workspace)
    if baseline:
        check_baseline(Workspace(work / "0", root), [fault for _, fault in chosen], timeout)

    def one(item: tuple[int, Fault]) -> Verdict:
        workspace = free.get()
        try:
            verdict = try_fault(workspace, *item, timeout, stateful)
        finally:
            free.put(workspace)
        stderr.print(
            f"{verdict.number:>3} {verdict.outcome:<9} {verdict.file}: {verdict.why}"
            f" [dim]{verdict.by} ({verdict.seconds} s)[/dim]",
            highlight=False,
            soft_wrap=True,
        )
        return verdict

    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(one, chosen))


def check_baseline(workspace: Workspace, faults: Sequence[Fault], timeout: float) -> None:
    """Without a fault everything passes; else a failure would prove nothing."""
    for name in sorted({name for fault in faults for name in fault.tests}):
        outcome, by = workspace.test([f"tests/unitary/{name}"], 4 * timeout)
        if outcome != SURVIVED:
            raise SystemExit(f"mutants: tests/unitary/{name} fails without a fault: {by}")
        stderr.print(f"    passes without a fault: tests/unitary/{name}", highlight=False)


def document(verdicts: Sequence[Verdict]) -> dict[str, object]:
    """Everything as JSON; the percentage is of all faults in the table that were chosen."""
    killed = sum(verdict.outcome == KILLED for verdict in verdicts)
    return {
        "what": "faults seeded into the contracts, and the tests that notice them",
        "faults": len(verdicts),
        "killed": killed,
        "killed_percent": round(100 * killed / len(verdicts), 1) if verdicts else 0.0,
        "wanted_percent": WANTED_PERCENT,
        "not_killed": [asdict(v) for v in verdicts if v.outcome != KILLED],
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }


def print_table(verdicts: Sequence[Verdict]) -> None:
    table = Table(title="seeded faults", title_justify="left")
    for name in ("no", "file", "fault", "outcome", "by"):
        table.add_column(name)
    for verdict in verdicts:
        row = (str(verdict.number), verdict.file, verdict.why, verdict.outcome, verdict.by)
        table.add_row(*row)
    stderr.print(table)


def main() -> int:
    options = _options()
    wanted = {int(number) for number in options.only.split(",")} if options.only else None
    chosen = [
        (number, fault)
        for number, fault in enumerate(read_faults())
        if (wanted is None or number in wanted) and options.file in fault.file
    ]
    verdicts = run(chosen, options.jobs, options.timeout, options.stateful, options.baseline)
    print_table(verdicts)
    found = document(verdicts)
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")
    stderr.print(f"{found['killed']} of {found['faults']} killed, {found['killed_percent']} %")
    return 0 if float(str(found["killed_percent"])) >= WANTED_PERCENT else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seeds faults and runs the tests.")
    parser.add_argument("--only", help="numbers of faults, separated by commas")
    parser.add_argument("--file", default="", help="faults of files whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="faults at a time")
    parser.add_argument("--timeout", type=float, default=600, help="seconds for one fault's tests")
    parser.add_argument("--stateful", action="store_true", help="try survivors there")
    parser.add_argument("--no-baseline", dest="baseline", action="store_false")
    parser.add_argument("--out", type=Path, help="write the JSON document here, too")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
