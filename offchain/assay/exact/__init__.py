"""The arithmetic: what every primitive op of a program means, in integers.

This package is the specification as code, SPEC.md the same in words. Every faster kernel, the
second verifier and the on-chain one are tested against it, bit for bit. It does no I/O and knows
no chain.
"""
