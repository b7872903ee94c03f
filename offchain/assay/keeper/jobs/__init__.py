"""The jobs, one file each, in the order in which a single round runs them."""

from __future__ import annotations

from collections.abc import Iterable

from assay.core.errors import ConfigError
from assay.keeper.job import Job
from assay.keeper.jobs import (
    checkpoint,
    close_channels,
    close_games,
    fill_auction,
    finalise,
    reward_work,
    route_fees,
    start_auction,
    sweep_fees,
    time_out_games,
)

JOBS: dict[str, Job] = {
    job.name: job
    for job in (
        checkpoint.JOB,
        reward_work.JOB,
        time_out_games.JOB,
        close_games.JOB,
        finalise.JOB,
        close_channels.JOB,
        sweep_fees.JOB,
        route_fees.JOB,
        start_auction.JOB,
        fill_auction.JOB,
    )
}


def chosen(names: Iterable[str]) -> list[Job]:
    """Jobs by name, in the order of a round; all of them if none is named."""
    wanted = list(names) or list(JOBS)
    unknown = [name for name in wanted if name not in JOBS]
    if unknown:
        raise ConfigError(f"there is no job {unknown[0]!r}; choose from {', '.join(JOBS)}")
    return [job for name, job in JOBS.items() if name in wanted]
