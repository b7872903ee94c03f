"""What a job is: it looks at the chain and says which calls are due; the runner sends them.

A job remembers nothing, so it may be run at any time, twice, or by several keepers at once. Who
comes second finds its call done: `due` is asked again right before sending, and after a revert.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from assay.chain.rehearse import Call

if TYPE_CHECKING:
    from assay.keeper.site import Site


@dataclass(frozen=True)
class Action:
    """One transaction that a job asks for.

    due    whether the chain still needs it
    key    what it is about; after a refusal it is left alone for a while. None: tried every time
    parts  what to try one by one if it is refused as a whole
    """

    call: Call
    due: Callable[[], bool]
    key: Hashable = None
    parts: tuple[Action, ...] = ()


@dataclass(frozen=True)
class Job:
    """A name, for settings and metrics, and how to find what is due."""

    name: str
    plan: Callable[[Site], Iterable[Action]]


@dataclass
class Report:
    """What a run came to: calls by name; `skipped` by reason; `failed` is an error's text."""

    job: str
    sent: list[str] = field(default_factory=list)
    planned: list[str] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    failed: str | None = None
