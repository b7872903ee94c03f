"""How long stateful suites of the economy run: `ASSAY_STATEFUL` is empty, `nightly` or `smoke`."""

from __future__ import annotations

import os

from hypothesis import Phase, settings

# Examples and steps of each. `smoke` is for runs by the hundred, such as seeded faults: a failure
# is enough for them, its shortest form takes too long.
LENGTHS = {"": (500, 50), "nightly": (5_000, 100), "smoke": (25, 50)}


def length(share: int = 1) -> settings:
    """The profile's length, or a part of its examples (500 // share in CI)."""
    profile = os.environ.get("ASSAY_STATEFUL", "")
    examples, steps = LENGTHS[profile]
    phases = [phase for phase in Phase if profile != "smoke" or phase is not Phase.shrink]
    return settings(max_examples=examples // share, stateful_step_count=steps, phases=phases)


def made_enough() -> bool:
    """Whether a run is long enough to have seen everything."""
    return os.environ.get("ASSAY_STATEFUL", "") != "smoke"
