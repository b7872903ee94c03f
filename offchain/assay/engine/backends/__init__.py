"""Implementations of the forward pass's steps: all give the same bits, some are faster.

native   C++ (`native_cpu`, `native/`): compiled on this machine, for the vectors it has
torch    float64 tensors (`torch_cpu`): runs wherever torch does
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from assay.core.errors import ConfigError
from assay.engine.backends.base import Backend
from assay.engine.backends.native_cpu import NativeBackend
from assay.engine.backends.torch_cpu import TorchBackend
from assay.engine.native import library
from assay.exact.model import ExactModel

BackendName = Literal["auto", "native", "torch"]
BackendFactory = Callable[[ExactModel], Backend]


def backend_for(model: ExactModel, name: BackendName = "auto") -> Literal["native", "torch"]:
    """Which of the two a name means on this machine; raises as `make_backend` does."""
    if name not in ("auto", "native", "torch"):
        raise ConfigError(f'the backend is {name!r}; it must be "auto", "native" or "torch"')
    if name == "native":
        library.load()
    if name != "torch" and NativeBackend.supports(model.shape) and library.available():
        return "native"
    return "torch"


def make_backend(
    model: ExactModel,
    name: BackendName = "auto",
    threads: int | None = None,
    pin: bool = False,
) -> Backend:
    """The named backend with the model's weights; "auto" is native wherever that can be had.

    Raises:
        EnvironmentMissing: "native" was asked for and cannot be built or loaded.
        ConfigError: there is no backend of that name.
    """
    if backend_for(model, name) == "native":
        return NativeBackend(model, threads=threads, pin=pin)
    return TorchBackend(model)
