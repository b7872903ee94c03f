"""The arithmetic: what every primitive op of a program means, in integers.

This package is the specification. Every faster kernel and the on-chain verifier are tested
against it, bit for bit. It does no I/O and knows no chain.
"""
