"""Implementations of the forward pass's steps: all give the same bits, some are faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from assay.engine.backends.base import Backend
from assay.engine.backends.torch_cpu import TorchBackend
from assay.exact.model import ExactModel

BackendName = Literal["auto", "native", "torch"]
BackendFactory = Callable[[ExactModel], Backend]


def make_backend(model: ExactModel, name: BackendName = "auto") -> Backend:
    """The named backend with the model's weights."""
    return TorchBackend(model)
