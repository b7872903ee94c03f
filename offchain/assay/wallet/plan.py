"""What an action is going to do, as data: steps, balances before and after, facts, warnings.

A plan has read the chain and passed the action's checks; nothing is sent yet. Its values keep
units and decimals, so that people get rounded text and programs every digit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from assay.chain.rehearse import Call
from assay.wallet.amounts import Amount, Moment, Unit

Fact: TypeAlias = str | int | bool | Amount | Moment | None


@dataclass(frozen=True)
class Step:
    """One transaction: the call, and what it is for."""

    call: Call
    purpose: str


@dataclass(frozen=True)
class Change:
    """A balance that the plan moves: `read` gives it anew once the steps are mined.

    `about`: it also moves by itself (rewards grow by the second), so `after` is an estimate.
    """

    what: str
    unit: Unit
    before: int
    after: int
    read: Callable[[], int]
    about: bool = False


@dataclass(frozen=True)
class Plan:
    """All that is shown before anybody signs.

    Parameters: `tip` is what to do if the chain refuses all the same (somebody was faster).
    """

    title: str
    steps: Sequence[Step]
    changes: Sequence[Change] = ()
    facts: Mapping[str, Fact] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    tables: Sequence[Table] = ()
    tip: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of the same kind; `header` names the cells.

    `keyed`: each row is a name and a value; in JSON the table is one object, not a list of them.
    """

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Fact]]
    keyed: bool = False


@dataclass(frozen=True)
class Report:
    """What an action that sends nothing has to tell."""

    title: str
    facts: Mapping[str, Fact] = field(default_factory=dict)
    tables: Sequence[Table] = ()
    warnings: Sequence[str] = ()
