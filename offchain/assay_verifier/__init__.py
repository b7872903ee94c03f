"""A second verifier of claims, written from `assay/exact/SPEC.md` alone.

Plain NumPy and slow. It imports nothing of `assay` and nothing there imports it, so that an error
of the engine is not also an error of what it is checked against. Section names in the docstrings
are those of the specification.
"""
