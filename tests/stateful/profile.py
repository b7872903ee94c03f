"""How long the economy's machine runs: `ASSAY_STATEFUL` names one of `PROFILES`, empty for CI's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from unittest.mock import patch

from hypothesis import Phase, settings
from hypothesis.internal.conjecture import providers
from hypothesis.internal.constants_ast import Constants


@dataclass(frozen=True)
class Profile:
    """Examples and steps of each.

    fixed    the same draw from the same second on every machine, every time
    shrinks  a failure's shortest form is looked for, for minutes
    enough   long enough that everything should have happened
    """

    examples: int
    steps: int
    fixed: bool = False
    shrinks: bool = False
    enough: bool = True

    @contextmanager
    def draw(self) -> Iterator[None]:
        """Hypothesis also tries the constants of whatever modules of ours are loaded: not where
        the draw is fixed, or it would depend on which tests ran before."""
        known = nullcontext()
        if self.fixed:
            known = patch.object(providers, "_get_local_constants", Constants)
        with known:
            yield

    def settings(self) -> settings:
        phases = [phase for phase in Phase if self.shrinks or phase is not Phase.shrink]
        return settings(
            max_examples=self.examples,
            stateful_step_count=self.steps,
            derandomize=self.fixed,
            phases=phases,
        )


PROFILES = {
    "": Profile(500, 50, fixed=True),
    "anew": Profile(500, 50),
    "shrink": Profile(500, 50, fixed=True, shrinks=True),
    "nightly": Profile(5_000, 100, shrinks=True),
    # For runs by the hundred, such as seeded faults.
    "smoke": Profile(25, 50, fixed=True, enough=False),
}


def chosen() -> Profile:
    """The profile of this run."""
    return PROFILES[os.environ.get("ASSAY_STATEFUL", "")]
