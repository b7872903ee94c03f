"""The set-up: what it skips, and what it says when something is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from scripts import bootstrap
from scripts.bootstrap import SetupError, Stage

ROOT = Path(__file__).resolve().parents[3]


def _free(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """The disk has `count` bytes free, whatever this machine's has."""
    monkeypatch.setattr(bootstrap.shutil, "disk_usage", lambda path: SimpleNamespace(free=count))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty environment folder with nothing installed, on a disk with room."""
    folder = tmp_path / ".venv"
    folder.mkdir()
    _free(monkeypatch, 2 * bootstrap.DISK_BYTES)
    monkeypatch.setattr(bootstrap, "VENV", folder)
    monkeypatch.setattr(bootstrap, "STAMPS", folder / "setup-stamps")
    monkeypatch.setattr(bootstrap, "LOG", folder / "setup.log")
    yield folder


def stage_on(home: Path) -> tuple[Stage, list[str]]:
    """A stage that copies `wanted` to `product`, and the list of its runs."""
    runs: list[str] = []
    wanted, product = home / "wanted", home / "product"
    wanted.write_text("1")

    def install(progress: bootstrap.Progress) -> None:
        runs.append(wanted.read_text())
        product.write_text(wanted.read_text())

    return Stage("demo", "a demo", (wanted,), product, install), runs


def set_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "STAGES", (stage,))
    bootstrap.set_up()


def test_a_stage_runs_once_then_when_its_inputs_or_product_change(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, runs = stage_on(home)
    set_up(stage, monkeypatch)
    set_up(stage, monkeypatch)
    assert runs == ["1"]
    (home / "wanted").write_text("2")
    set_up(stage, monkeypatch)
    assert runs == ["1", "2"]
    (home / "product").unlink()
    set_up(stage, monkeypatch)
    assert runs == ["1", "2", "2"]


def test_a_stage_that_failed_runs_again(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage, runs = stage_on(home)

    def fail(progress: bootstrap.Progress) -> None:
        raise SetupError("no network")

    failing = Stage(stage.name, stage.title, stage.inputs, stage.product, fail)
    with pytest.raises(SetupError, match="no network"):
        set_up(failing, monkeypatch)
    assert not stage.is_done()
    set_up(stage, monkeypatch)
    assert runs == ["1"]


def test_a_full_disk_is_told_before_anything_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage, runs = stage_on(home)
    _free(monkeypatch, 1_200_000_000)
    with pytest.raises(SetupError, match=r"1\.2 GB free at .*, 4 GB needed: free some space"):
        set_up(stage, monkeypatch)
    assert runs == []


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("[Errno 28] No space left on device", "the disk is full"),
        ("Temporary failure in name resolution\nNo matching distribution", "not reachable"),
        ("ERROR: No matching distribution found for numpy==1.26.99", "pinned version"),
        ("error: command 'gcc' failed: No such file", "no ready-made wheel"),
        ("ERROR: something new", "something new"),
    ],
)
def test_a_failing_tool_is_explained(home: Path, said: str, cause: str) -> None:
    command = ["bash", "-c", 'echo "$0"; exit 3', said]
    with bootstrap.Progress("a tool") as progress, pytest.raises(SetupError) as failure:
        bootstrap.call(command, progress, home)
    assert cause in str(failure.value)
    assert str(home / "setup.log") in str(failure.value)
    assert said in (home / "setup.log").read_text()


def test_a_machine_without_a_suitable_python_is_told_what_to_do(tmp_path: Path) -> None:
    for program in ("bash", "cat", "dirname", "env"):
        (tmp_path / program).symlink_to(shutil.which(program) or program)
    result = subprocess.run(
        [str(ROOT / "scripts" / "setup")],
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "Python 3.11, 3.12 or 3.13 is needed; this machine has no python3" in result.stderr


def test_kernels_that_cannot_be_built_stop_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "LOG", home / "setup.log")
    monkeypatch.setattr(bootstrap, "PYTHON", Path(sys.executable))
    monkeypatch.setenv("CXX", "no-such-compiler")
    monkeypatch.setenv("ASSAY_NATIVE_DIR", str(home / "native"))
    with bootstrap.Progress("native kernels") as progress:
        bootstrap.build_kernels(progress)
    said = capsys.readouterr().out
    assert "no C++ compiler" in said and "run on torch" in said
    assert "no C++ compiler" in (home / "setup.log").read_text()
