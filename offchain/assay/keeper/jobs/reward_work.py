"""Mints providers their part of the emission for days that are over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from assay.chain.rehearse import Call
from assay.core.vouchers import day_of
from assay.keeper.job import Action, Job
from assay.keeper.site import Site

DAYS_PER_CALL = 64
"""The limit of `reward_work`."""


def plan(site: Site) -> Iterator[Action]:
    today = day_of(site.network.now())
    days: dict[str, list[int]] = {}
    for provider, day in sorted(site.open().work):
        if day < today and not site.postponed((provider, day)):
            days.setdefault(provider, []).append(day)
    for provider, worked in days.items():
        yield from _rewards(site, provider, worked)


def _rewards(site: Site, provider: str, days: Sequence[int]) -> Iterator[Action]:
    emissions = site.network.emissions
    owed = [day for day in days if emissions.work_reward(provider, day)]
    for day in set(days) - set(owed):
        site.postpone((provider, day))  # nothing was emitted for that day's work
    for start in range(0, len(owed), DAYS_PER_CALL):
        some = owed[start : start + DAYS_PER_CALL]
        yield Action(Call(emissions, "reward_work", (provider, some)), _due(site, provider, some))


def _due(site: Site, provider: str, days: Sequence[int]) -> Callable[[], bool]:
    emissions = site.network.emissions
    return lambda: any(emissions.work_reward(provider, day) for day in days)


JOB = Job("reward_work", plan)
