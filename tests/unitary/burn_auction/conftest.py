"""The treasury, deployed once; what a test does is undone."""

from __future__ import annotations

from tests.support.treasury import deployed_treasury, treasury

__all__ = ["deployed_treasury", "treasury"]
