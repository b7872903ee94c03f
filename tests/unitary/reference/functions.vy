# pragma version 0.4.3
"""
@title snekmate's exponential and logarithm, to compare the reference model's with
@license AGPL-3.0-only
"""

from snekmate.utils import math


@pure
@external
def exponential(x: int256) -> int256:
    return math._wad_exp(x)


@pure
@external
def logarithm(x: int256) -> int256:
    return math._wad_ln(x)
