"""`assay challenger …`"""

from __future__ import annotations

import typer

from assay.core.settings import ChallengerSettings, load_settings

app = typer.Typer(help="Recompute answers and challenge wrong ones.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Recompute answers and challenge wrong ones."""


@app.command()
def run() -> None:
    """Watch providers, recompute their answers, play games to the end (settings: ASSAY_*)."""
    from assay.challenger import service

    service.run(load_settings(ChallengerSettings))
