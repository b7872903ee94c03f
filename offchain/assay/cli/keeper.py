"""`assay keeper …`"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import output
from assay.core.settings import KeeperSettings, load_settings

if TYPE_CHECKING:
    from assay.keeper.job import Report

app = typer.Typer(help="Do what anyone may do and somebody has to.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Do what anyone may do and somebody has to."""


@app.command()
def run(
    jobs: Annotated[
        str | None, typer.Option(help="Jobs, with commas between them (ASSAY_JOBS); else all.")
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Each job once, then end.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Rehearse, send nothing; needs no account.")
    ] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Run jobs by their schedule (settings: ASSAY_*); with --once, exit code 1 if one failed."""
    from assay.keeper import service

    settings = load_settings(KeeperSettings, jobs=jobs)
    if not once:
        return service.run(settings, dry_run)
    reports = service.run_once(settings, dry_run)
    if as_json:
        output.print_json([vars(report) for report in reports])
    else:
        _print_reports(reports)
    if any(report.failed for report in reports):
        raise typer.Exit(1)


@app.command("jobs")
def names() -> None:
    """The jobs, in the order in which a single round runs them."""
    from assay.keeper.jobs import JOBS

    for name in JOBS:
        output.stdout.print(name)


def _print_reports(reports: Sequence[Report]) -> None:
    rows = [
        (
            report.job,
            ", ".join(report.sent or report.planned) or "nothing",
            ", ".join(f"{count} {reason}" for reason, count in report.skipped.items()),
            report.failed or "",
        )
        for report in reports
    ]
    output.print_table("One round", ("job", "calls", "skipped", "failed"), rows)
