"""Which device the kernels run on, what its product is best made of, and the sizes of programs.

None of this changes a bit.
"""

from __future__ import annotations

import importlib.util
import os
from dataclasses import dataclass
from typing import Literal, cast, get_args

import torch

from assay.core.errors import ConfigError, EnvironmentMissing
from assay.exact.model import DecoderShape

Held = Literal["int8", "bfloat16", "float16"]
"""What tensor cores multiply: digits as they are, or held in 16-bit floats (which of the two makes
no difference to a device; Triton 3.9's interpreter does not multiply bfloat16)."""

FLOAT_CHIPS = {(10, 3)}
"""Compute capabilities whose int8 tensor rate is a small part of that of bfloat16 (B300)."""
LARGE_SHARED = 200 << 10
"""Shared memory of a data centre's chip, from Hopper on."""
NARROW_ROWS = 32
"""Up to so many rows, a product is bound by reading weights."""


MAX_HIDDEN = 1 << 14
"""Rows that one program normalises."""
MAX_HEAD_DIM = 256
MAX_SPLIT_PAGES = 512
"""Of a part of the context, so that sums of digits' products fit int32, see `attention`."""
PROGRAMS = 264
"""Programs that keep a device busy: two for each of 132 processors."""
MAX_GROUP = 16
"""Query heads that share a key head: one program has those of a row."""


def interpreted() -> bool:
    """Whether Triton's interpreter stands in for a device."""
    return os.environ.get("TRITON_INTERPRET") == "1"


def available() -> bool:
    """Whether there is a device, or the interpreter, and Triton for it."""
    return (interpreted() or torch.cuda.is_available()) and _has_triton()


def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def require() -> torch.device:
    """The device.

    Raises:
        EnvironmentMissing: there is none, or no Triton; says which.
    """
    if not _has_triton():
        raise EnvironmentMissing('the "triton" backend needs Triton: pip install triton==3.9.0')
    if interpreted():
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise EnvironmentMissing(
            'the "triton" backend needs a GPU that torch can use, and there is none; take "native" '
            "or set TRITON_INTERPRET=1 to run its kernels, slowly, without one"
        )
    return torch.device("cuda")


def held(device: torch.device) -> Held:
    """By ASSAY_GPU_PRODUCT or else by the chip."""
    wanted = os.environ.get("ASSAY_GPU_PRODUCT")
    if wanted:
        if wanted not in get_args(Held):
            raise ConfigError(
                f"ASSAY_GPU_PRODUCT is {wanted!r}; it must be one of {', '.join(get_args(Held))}"
            )
        return cast(Held, wanted)
    if device.type == "cuda" and torch.cuda.get_device_capability(device) in FLOAT_CHIPS:
        return "bfloat16"
    return "int8"


def supports(shape: DecoderShape) -> bool:
    """Whether the kernels do all that a model of this shape needs, within their bounds."""
    fits = shape.hidden <= MAX_HIDDEN and shape.head_dim <= MAX_HEAD_DIM
    return fits and shape.head_dim % 2 == 0 and shape.heads <= MAX_GROUP * shape.kv_heads


def unsupported(name: str, shape: DecoderShape) -> str:
    """Why not, for an error."""
    return (
        f"{name} has hidden size {shape.hidden}, head size {shape.head_dim} and "
        f"{shape.heads // shape.kv_heads} heads to a key; the GPU's kernels do at most "
        f'{MAX_HIDDEN}, {MAX_HEAD_DIM} (even) and {MAX_GROUP}; take "native"'
    )


@dataclass(frozen=True)
class Tiling:
    """Sizes of a product's programs: rows, output channels, inputs at once; how they are run."""

    rows: int
    channels: int
    depth: int
    warps: int
    stages: int


def narrow(rows: int, planes: int) -> Tiling:
    """For a product of few rows; a program's columns are all rows' planes, 16 at least."""
    together = max(1 << (rows - 1).bit_length(), 16 // planes)
    if planes * together <= 32:
        return Tiling(together, 32, 256, 2, 4)
    return Tiling(together, 64, 128, 4, 4)


def wide(shared: int) -> Tiling:
    """For a product of many rows, by the bytes of shared memory that a program may have; 0 is the
    interpreter, which does best with few programs."""
    if shared == 0:
        return Tiling(32, 128, 128, 4, 1)
    if shared < LARGE_SHARED:
        return Tiling(64, 128, 64, 8, 3)
    return Tiling(128, 128, 128, 8, 3)


def queries(shared: int, head_dim: int) -> int:
    """Queries of one program of a prefill's attention, which share a key head."""
    return 64 if head_dim <= 128 or shared >= LARGE_SHARED else 32


def shared_memory(device: torch.device) -> int:
    """Bytes that a program may have on the device; 0 for the interpreter."""
    if device.type != "cuda":
        return 0
    properties = torch.cuda.get_device_properties(device)
    most = getattr(properties, "shared_memory_per_block_optin", properties.shared_memory_per_block)
    return int(most)
