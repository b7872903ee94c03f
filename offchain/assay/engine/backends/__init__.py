"""Implementations of the forward pass's steps: all give the same bits, some are faster.

triton   a GPU (`triton_gpu`, `gpu/`): compiled for it at first use
native   C++ (`native_cpu`, `native/`): compiled on this machine, for the vectors it has
torch    float64 tensors (`torch_cpu`): runs wherever torch does
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from assay.core.errors import ConfigError
from assay.engine.backends.base import Backend
from assay.engine.backends.native_cpu import NativeBackend
from assay.engine.backends.torch_cpu import TorchBackend
from assay.engine.gpu import device
from assay.engine.native import library
from assay.exact.model import ExactModel

BackendKind = Literal["triton", "native", "torch"]
BackendName = Literal["auto", "triton", "native", "torch"]
BackendFactory = Callable[[ExactModel], Backend]


def backend_for(model: ExactModel, name: BackendName = "auto") -> BackendKind:
    """Which of the three a name means on this machine; raises as `make_backend` does.

    "auto" takes the interpreter for no device, and a model for no GPU that its kernels do not suit.
    """
    if name not in get_args(BackendName):
        known = ", ".join(f'"{known}"' for known in get_args(BackendName))
        raise ConfigError(f"the backend is {name!r}; it must be one of {known}")
    if name == "triton" or (name == "auto" and device.available() and not device.interpreted()):
        device.require()
        if device.supports(model.shape):
            return "triton"
        if name == "triton":
            raise ConfigError(device.unsupported(model.name, model.shape))
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
    """The named backend with the model's weights; "auto" is the GPU where there is one, or else
    native wherever that can be had.

    Raises:
        EnvironmentMissing: "triton" was asked for and there is no GPU, or "native" and it cannot
            be built or loaded.
        ConfigError: there is no backend of that name, or "triton" was asked for and does not suit
            the model.
    """
    kind = backend_for(model, name)
    if kind == "triton":
        from assay.engine.backends.triton_gpu import GpuBackend

        return GpuBackend(model)
    if kind == "native":
        return NativeBackend(model, threads=threads, pin=pin)
    return TorchBackend(model)
