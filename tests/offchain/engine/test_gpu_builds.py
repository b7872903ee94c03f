"""Every Triton kernel compiles to machine code for chips that are not there, with their tensor
cores in use, and within their shared memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip("triton")
KERNELS = {
    "cap_elements", "gate_products", "mix_heads", "narrow_product", "norm_rows", "norm_rows_onto",
    "quantise_rows", "row_peaks", "score_peaks", "store_rows", "weighted_sums", "wide_product",
}  # fmt: skip
DOTS = {"narrow_product", "wide_product", "score_peaks", "weighted_sums"}
INSTRUCTIONS = {"int8": ".s32.s8.s8", "bfloat16": ".f32.bf16.bf16"}


@pytest.mark.parametrize(
    ("chip", "capability", "shared"),
    [("Ampere, consumer", 86, 101_376), ("Hopper", 90, 232_448)],
)
def test_every_kernel_builds(chip: str, capability: int, shared: int) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.gpu_builds", str(capability), str(shared)],
        capture_output=True, text=True, timeout=600, check=False, env=environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    built = [json.loads(line) for line in done.stdout.splitlines()]
    assert {kernel["kernel"] for kernel in built} == KERNELS
    for kernel in built:
        assert kernel["shared"] <= shared, kernel
        assert kernel["bytes"] > 0
        if kernel["kernel"] in DOTS:
            wanted = INSTRUCTIONS[kernel["constants"]["HELD"]]
            assert any(wanted in used for used in kernel["tensor_cores"]), kernel
    if capability == 90:
        wide = [kernel for kernel in built if kernel["kernel"] == "wide_product"]
        assert all("wgmma" in kernel["tensor_cores"][0] for kernel in wide)
