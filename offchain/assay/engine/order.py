"""An engine by its recipe, for a process that shares no memory with whoever orders it."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from assay.core.errors import ModelError
from assay.engine.backends import BackendName
from assay.engine.engine import Engine
from assay.engine.importer import import_checkpoint
from assay.exact.model import ExactModel


@dataclass(frozen=True)
class Order:
    """What an engine is to compute. `path` is the checkpoint's on its machine; `fingerprint` says
    which integers it must give there. The rest as of `Engine`."""

    path: Path
    fingerprint: bytes
    slots: int
    positions: int | None
    threads: int | None
    backend: BackendName
    pin: bool
    draft_path: Path | None
    guesses: int

    def make(self) -> Engine:
        """Load it.

        Raises:
            ModelError: the checkpoint there is another one.
            EnvironmentMissing, ConfigError: see `Engine`.
        """
        model = import_checkpoint(self.path)
        found = fingerprint(model)
        if found != self.fingerprint:
            raise ModelError(
                f"{self.path} on {platform.node()} gives the integers {found.hex()[:16]}…, "
                f"the provider's gives {self.fingerprint.hex()[:16]}…; copy the provider's folder"
            )
        return Engine(
            model,
            self.threads,
            self.backend,
            slots=self.slots,
            positions=self.positions,
            pin=self.pin,
            draft=import_checkpoint(self.draft_path) if self.draft_path else None,
            guesses=self.guesses,
        )


def fingerprint(model: ExactModel) -> bytes:
    """A hash of all that a model computes with. Not the model root: that takes a tree of hashes."""
    digest = sha256()
    for part in _parts(model):
        digest.update(part)
    return digest.digest()


def _parts(part: object) -> Iterator[bytes | memoryview]:
    if isinstance(part, np.ndarray):
        yield f"{part.dtype.str}{part.shape}".encode()
        yield np.ascontiguousarray(part).data.cast("B") if part.size else b""
    elif isinstance(part, tuple):
        yield f"tuple {len(part)}".encode()
        for item in part:
            yield from _parts(item)
    elif is_dataclass(part) and not isinstance(part, type):
        yield type(part).__name__.encode()
        for field in fields(part):
            yield from _parts(getattr(part, field.name))
    else:
        yield repr(part).encode() + b"\n"
