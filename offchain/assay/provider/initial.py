"""The first settings of a provider: what this machine has, a file to start from, a key.

The file has no secret in it: the key lies in a keystore, its password in a file of its own.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import torch

from assay.chain.keys import new_keystore
from assay.core.errors import ConfigError
from assay.core.settings import ProviderSettings
from assay.engine.backends import BackendKind
from assay.engine.load import import_model
from assay.engine.memory import GIB, available_memory
from assay.engine.sharing import want

SLOTS: dict[BackendKind, tuple[int, ...]] = {
    "triton": (64, 48, 32, 24, 16, 8, 4, 2, 1),
    "native": (8, 4, 2, 1),
    "torch": (4, 2, 1),
}
"""Requests at once, the most first: what decoding together still speeds up."""


@dataclass(frozen=True)
class Machine:
    """What there is to compute with; memory in bytes, None where it cannot be read."""

    processors: int
    memory: int | None
    gpu: str | None
    gpu_memory: int | None

    @classmethod
    def here(cls) -> Machine:
        processors = len(os.sched_getaffinity(0))
        if not torch.cuda.is_available():
            return cls(processors, available_memory(), None, None)
        return cls(
            processors,
            available_memory(),
            torch.cuda.get_device_name(),
            available_memory("triton"),
        )

    def describe(self) -> str:
        memory = "unknown" if self.memory is None else f"{self.memory / GIB:.1f} GiB free"
        gpu = "no GPU"
        if self.gpu is not None:
            gpu = f"{self.gpu}, {(self.gpu_memory or 0) / GIB:.1f} GiB free"
        return f"{self.processors} processors, memory {memory}, {gpu}"


@dataclass(frozen=True)
class Choice:
    """What its operator decides; paths absolute. Prices as of `ProviderSettings`."""

    rpc_url: str
    deployment: Path
    keystore: Path
    password_file: Path
    data_dir: Path
    models: tuple[Path, ...]
    port: int
    public_url: str | None
    price_input: int
    price_output: int


def fitting_slots(paths: tuple[Path, ...]) -> int:
    """How many requests at once each model's batch may hold, so that all fit with a full context
    each; 1 if even two do not."""
    wants = [(want(import_model(path), "auto", 1, None), path) for path in paths]
    kind = wants[0][0].kind
    available = available_memory(kind)
    if available is None:
        return 1
    for slots in SLOTS[kind]:
        needed = sum(
            each.besides.total + slots * each.each * each.bytes_a_position for each, _ in wants
        )
        if needed <= available:
            return slots
    return 1


def settings_text(choice: Choice, machine: Machine, slots: int) -> str:
    """The settings as TOML."""
    quoted = json.dumps  # a JSON string is a TOML string
    lines = [
        "# Settings of `assay provider`; ASSAY_CONFIG names this file. No secret belongs here.",
        f"# Written for: {machine.describe()}",
        f"rpc_url = {quoted(choice.rpc_url)}",
        f"deployment = {quoted(str(choice.deployment))}",
        f"keystore = {quoted(str(choice.keystore))}",
        f"password_file = {quoted(str(choice.password_file))}",
        f"data_dir = {quoted(str(choice.data_dir))}",
        'log_format = "json"',
        "",
        'host = "0.0.0.0"' if choice.public_url else 'host = "127.0.0.1"',
        f"port = {choice.port}",
    ]
    if choice.public_url:
        lines.append(f"public_url = {quoted(choice.public_url)}")
    lines += [
        "",
        "# Micro-USD per million tokens, the least it takes; `assay provider price` changes them.",
        f"price_input = {choice.price_input}",
        f"price_output = {choice.price_output}",
        "",
        "# Requests decoded at once, and those that wait.",
        f"max_running = {slots}",
        f"max_waiting = {8 * slots}",
    ]
    for path in choice.models:
        lines += ["", "[[models]]", f"path = {quoted(str(path))}"]
    return "\n".join(lines) + "\n"


def write_settings(path: Path, text: str, force: bool) -> None:
    """A file that its owner alone reads. ConfigError if it is there, unless `force`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if force:
        path.unlink(missing_ok=True)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigError(
            f"{path} exists; give --force to write it anew, or --settings another name"
        ) from error
    with os.fdopen(handle, "w") as file:
        file.write(text)


def make_account(keystore: Path, password_file: Path) -> str | None:
    """The address of a new key, if there is no keystore yet; None leaves what is there.

    Its password is that of the file, which is made with a random one if it is not there. A
    keystore is never overwritten: its key has the bond.
    """
    if keystore.exists():
        return None
    if not password_file.exists():
        password_file.parent.mkdir(parents=True, exist_ok=True)
        password_file.touch(mode=0o600)
        password_file.write_text(secrets.token_hex(32) + "\n")
    settings = ProviderSettings(password_file=password_file)
    return str(new_keystore(keystore, settings.keystore_password()).address)
