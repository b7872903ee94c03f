"""Builds every Triton kernel for chips that need not be there: one line of JSON each.

    python -m tests.support.gpu_builds CAPABILITY SHARED     such as 90 232448

A process of its own, without Triton's interpreter. Sizes are those of Llama-3-8B, programs those
that `gpu.device` takes for a chip with so many bytes of shared memory a program.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from assay.engine.gpu import attention, device, product, rows

INT64 = {"eps_terms", "q_eps", "k_eps", "sums", "totals"}
INT16 = {"rope"}
INT8 = {"rows", "weights", "queries", "keys", "key_exponents", "values"}
NUMBERS = {"R", "J", "K", "N", "T", "H", "KV", "hd", "PARTS", "SPLITS", "fraction", "window"}
NUMBERS |= {"cap", "cap_shift"}
WIDE_NUMBERS = {"cap_mantissa"}
HEAD_DIM = 128


def kind(kernel: str, name: str) -> str:
    """The type of a kernel's argument."""
    scalars = {"store_rows": {"q_shift", "k_shift", "v_shift"}, "norm_rows": {"shift"}}
    scalars |= {"norm_rows_onto": {"shift"}, "cap_elements": {"mantissa", "shift"}}
    scalars |= {"gate_products": {"shift"}}
    scalars |= {at: {"mantissa", "shift"} for at in ("score_peaks", "weighted_sums")}
    if name in WIDE_NUMBERS:
        return "i64"
    if name in NUMBERS or name in scalars.get(kernel, ()):
        return "i32"
    wide = name in INT64 or (name == "peaks" and kernel not in ("score_peaks", "weighted_sums"))
    return "*i64" if wide else "*i16" if name in INT16 else "*i8" if name in INT8 else "*i32"


def build(
    kernel: Any, capability: int, constants: dict[str, Any], warps: int = 4, stages: int = 3
) -> None:
    names, at = [p.name for p in kernel.params], kernel.__name__
    types = {n: "constexpr" if n in constants else kind(at, n) for n in names}
    aligned = [n for n in names if types[n][0] == "*" or n in ("K", "J", "hd")]
    source = ASTSource(
        fn=kernel,
        signature=types,
        constexprs={(names.index(n),): value for n, value in constants.items()},
        attrs={(names.index(n),): [["tt.divisibility", 16]] for n in aligned},
    )
    options = {"num_warps": warps, "num_stages": stages}
    built = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
    used = re.findall(r"((?:wgmma\.mma_async|mma\.sync)\S*)", built.asm["ptx"])
    found = {"kernel": at, "shared": built.metadata.shared, "tensor_cores": sorted(set(used))}
    print(json.dumps({**found, "constants": constants, "bytes": len(built.asm["cubin"])}))


def main() -> None:
    capability, shared = (int(word) for word in sys.argv[1:])
    for held in ("int8", "bfloat16"):
        each: dict[str, Any] = {"WITH_BIAS": True, "ONTO": True, "EVEN": True, "HELD": held}
        for count, planes in ((1, 2), (32, 2), (32, 1)):
            each["PLANES"] = planes
            t = device.narrow(count, planes)
            sizes = {"ROWS": t.rows, "CHANNELS": t.channels, "DEPTH": t.depth}
            build(product.narrow_product, capability, each | sizes, t.warps, t.stages)
        t = device.wide(shared)
        sizes = {"ROWS": t.rows, "CHANNELS": t.channels, "DEPTH": t.depth, "GROUP": 8}
        for planes in (1, 2):
            build(
                product.wide_product, capability, each | sizes | {"PLANES": planes},
                t.warps, t.stages,
            )  # fmt: skip
        for queries, warps in ((device.MAX_GROUP, 4), (device.queries(shared, HEAD_DIM), 8)):
            block = {"BLOCK": queries, "WIDTH": HEAD_DIM, "HELD": held, "CAPPED": warps == 4}
            build(attention.score_peaks, capability, block, warps)
            build(attention.weighted_sums, capability, block | {"SPLITS_WIDTH": 32}, warps)
    for normed in (False, True):
        build(attention.store_rows, capability, {"NORMED": normed, "HALF": HEAD_DIM // 2}, 1)
    build(attention.mix_heads, capability, {"WIDTH": HEAD_DIM}, 1)
    build(rows.norm_rows, capability, {"WIDTH": 4096, "PLANES": 2}, 8)
    build(rows.norm_rows_onto, capability, {"WIDTH": 4096}, 8)
    build(rows.cap_elements, capability, {"PART": 1024})
    build(rows.row_peaks, capability, {"PART": 1024})
    for activation in ("silu", "gelu_pytorch_tanh"):
        constants = {"PART": 1024, "ACTIVATION": activation}
        build(rows.gate_products, capability, constants)
    for planes in (1, 2):
        constants = {"PART": 1024, "PARTS_WIDTH": 16, "PLANES": planes}
        build(rows.quantise_rows, capability, constants)


if __name__ == "__main__":
    main()
