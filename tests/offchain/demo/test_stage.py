"""What a demonstration leaves behind when it is told to end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest

from assay.chain.process import ManagedProcess
from assay.demo.stage import DemoFailed, Stage, Stopped

ENDINGS = [
    (signal.SIGTERM, Stopped),
    (signal.SIGHUP, Stopped),
    (signal.SIGINT, KeyboardInterrupt),
]


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.stop()


def child(stage: Stage) -> ManagedProcess:
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    process = ManagedProcess("sleeper", command, stage.folder / "sleeper.log")
    stage._processes.append(process)
    assert process.running()
    return process


@pytest.mark.parametrize(("number", "kind"), ENDINGS)
def test_a_signal_ends_the_stage_and_its_children(
    stage: Stage, number: signal.Signals, kind: type[BaseException]
) -> None:
    before = {item: signal.getsignal(item) for item, _ in ENDINGS}
    with pytest.raises(kind), stage:
        process = child(stage)
        os.kill(os.getpid(), number)
    assert not process.running()
    assert not stage.folder.exists()
    assert {item: signal.getsignal(item) for item, _ in ENDINGS} == before


@pytest.mark.parametrize(("number", "kind"), ENDINGS)
def test_what_native_code_makes_of_a_signal_does_not_count(
    stage: Stage, number: signal.Signals, kind: type[BaseException]
) -> None:
    with pytest.raises(kind) as caught, stage:
        try:
            os.kill(os.getpid(), number)
        except BaseException as error:
            raise ValueError("could not determine the shape") from error
    assert isinstance(caught.value.__cause__, ValueError)
    assert not stage.folder.exists()


def test_a_signal_that_got_lost_ends_the_next_wait(stage: Stage) -> None:
    with pytest.raises(Stopped), stage:
        process = child(stage)
        with suppress(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        stage.wait_for("nothing", lambda: None, 30)
    assert not process.running()


def test_a_signal_that_got_lost_is_not_a_success(stage: Stage) -> None:
    with pytest.raises(Stopped), stage, suppress(Stopped):
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_failure_keeps_the_folder(stage: Stage) -> None:
    with pytest.raises(DemoFailed), stage:
        stage.wait_for("nothing", lambda: None, 0)
    assert stage.folder.is_dir()
    subprocess.run(["rm", "-r", str(stage.folder)], check=True)
