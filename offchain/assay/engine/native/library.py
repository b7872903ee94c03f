"""The native library in Python's terms: loading it, its structures, its functions.

Structures mirror `assay.hpp`. Nothing here checks a shape: that is the backend's affair.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import weakref
from ctypes import CDLL, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p

from assay.core.errors import ConfigError, EnvironmentMissing
from assay.engine.native.build import build

LOGGER = logging.getLogger(__name__)


class _Struct(Structure):
    """Can tell its address; whoever fills in a pointer keeps what it points to."""

    @property
    def address(self) -> int:
        return ctypes.addressof(self)


class WeightsStruct(_Struct):
    _fields_ = (
        ("packed", c_void_p),
        ("mantissa", c_void_p),
        ("shift", c_void_p),
        ("bias", c_void_p),
        ("outputs", c_int64),
        ("width", c_int64),
    )


class RowsStruct(_Struct):
    _fields_ = (
        ("values", c_void_p),
        ("exponents", c_void_p),
        ("sums", c_void_p),
        ("stride", c_int64),
        ("width", c_int64),
        ("bits", c_int64),
    )


class NormStruct(_Struct):
    _fields_ = (
        ("gain", c_void_p),
        ("eps_terms", c_void_p),
        ("width", c_int64),
        ("shift", c_int64),
    )


class ShapeStruct(_Struct):
    _fields_ = (("heads", c_int64), ("kv_heads", c_int64), ("head_dim", c_int64))


class KeysValuesStruct(_Struct):
    _fields_ = (
        ("keys", c_void_p),
        ("values", c_void_p),
        ("exponents", c_void_p),
        ("pages", c_int64),
    )


class SegmentStruct(_Struct):
    _fields_ = (("row", c_int64), ("count", c_int64), ("start", c_int64), ("pages", c_void_p))


class RunStruct(_Struct):
    _fields_ = (
        ("segments", POINTER(SegmentStruct)),
        ("segment_count", c_int64),
        ("rows", c_int64),
        ("pages", c_void_p),
        ("positions", c_void_p),
        ("rope", c_void_p),
        ("queries", c_void_p),
        ("query_exponents", c_void_p),
        ("mixed", c_void_p),
    )


class SoftcapStruct(_Struct):
    _fields_ = (("cap", c_int64), ("mantissa", c_int64), ("shift", c_int64))


class AttentionStruct(_Struct):
    _fields_ = (
        ("v_shift", c_int64),
        ("score_mantissa", c_int64),
        ("score_shift", c_int64),
        ("window", c_int64),
        ("query_norm", c_void_p),
        ("key_norm", c_void_p),
        ("score_cap", c_void_p),
    )


ACTIVATIONS = ("silu", "gelu_pytorch_tanh")
"""In the order of `Activation`."""

_P, _N = c_void_p, c_int64
_SIGNATURES: dict[str, tuple[type | None, tuple[type, ...]]] = {
    "assay_isa": (c_char_p, (c_int,)),
    "assay_open": (_P, (c_char_p, c_int, c_int)),
    "assay_close": (None, (_P,)),
    "assay_lanes": (_N, (_P,)),
    "assay_digit_planes": (c_int, (_P,)),
    "assay_advise": (None, (_P, _N)),
    "assay_pack": (None, (_P, _P, _N, _N, _P)),
    "assay_quantise": (None, (_P, _P, _N, _P)),
    "assay_norm": (None, (_P, _P, _N, _P, _P)),
    "assay_linear": (None, (_P, _P, _N, _P, _P, _P)),
    "assay_norm_onto": (None, (_P, _P, _N, _P, _P)),
    "assay_softcap": (None, (_P, _P, _N, _P)),
    "assay_gate": (None, (_P, _P, _N, _N, _N, _N, _P, _P)),
    "assay_store": (None, (_P, _P, _P, _P, _P, _P)),
    "assay_attend": (None, (_P, _P, _P, _P, _P, _P)),
}


@functools.cache
def load() -> CDLL:
    """The library, built if it is not there yet.

    Raises:
        EnvironmentMissing: it cannot be built or loaded.
    """
    path = build()
    try:
        library = CDLL(str(path))
        for name, (result, arguments) in _SIGNATURES.items():
            function = getattr(library, name)
            function.restype, function.argtypes = result, list(arguments)
    except (OSError, AttributeError) as error:
        raise EnvironmentMissing(
            f"cannot load {path}: {error}; delete it to build it again"
        ) from error
    return library


@functools.cache
def available() -> bool:
    """Whether the library can be had; the reason why not is logged, once."""
    try:
        load()
    except EnvironmentMissing as error:
        LOGGER.warning("native kernels are not used, torch computes instead (slower): %s", error)
        return False
    return True


def isas() -> list[str]:
    """The instruction sets that this machine has kernels for, best first."""
    names, index = [], 0
    while (name := load().assay_isa(index)) is not None:
        names.append(name.decode())
        index += 1
    return names


class Kernels:
    """One instruction set's kernels with their threads; every function takes `context` first.

    threads counts the calling one; with `pin` each of them stays on a processor.
    """

    def __init__(self, isa: str | None = None, threads: int = 1, pin: bool = False) -> None:
        self.library = load()
        self.isa = isa or isas()[0]
        self.threads = threads
        self.context: int | None = self.library.assay_open(self.isa.encode(), threads, int(pin))
        if self.context is None:
            raise ConfigError(f"no kernels for {self.isa!r}; this machine has {', '.join(isas())}")
        # Not at exit: threads may still be at work, and the process ends them.
        weakref.finalize(self, self.library.assay_close, self.context).atexit = False
        self.lanes: int = self.library.assay_lanes(self.context)
        self.digit_planes = bool(self.library.assay_digit_planes(self.context))
