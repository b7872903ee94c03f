"""`assay game …`"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live

from assay.cli import output
from assay.core.game import Phase
from assay.core.settings import ServiceSettings, load_settings
from assay.core.wire import parse_bytes

if TYPE_CHECKING:
    from assay.chain.game_report import Report, Reporter

app = typer.Typer(help="Look at disputes.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look at disputes."""


@app.command()
def show(
    game_id: Annotated[str, typer.Argument(help="The game's id, 0x and 64 hex digits.")],
    follow: Annotated[bool, typer.Option("--follow", help="Until the game is over.")] = False,
    model: Annotated[
        Path | None, typer.Option(help="Checkpoint folder, for the names of steps.")
    ] = None,
    as_json: output.JsonFlag = False,
) -> None:
    """Draw one game, read from the chain: clocks, the way down, moves, verdict.

    With --follow it stays and shows every move; with --json as well, one document a line.
    """
    from assay.chain.game_report import Reporter
    from assay.chain.network import Network

    settings = load_settings(ServiceSettings, model_path=model)
    network = Network.connect(settings)
    reporter = Reporter(network, parse_bytes(game_id, "game id", 32))
    names = StepNames(settings.model_path)
    if not follow:
        _show_once(reporter.read(), names, as_json)
    elif as_json or not output.stdout.is_terminal:
        _follow_lines(reporter, names, as_json, settings.poll_seconds)
    else:
        _follow_live(reporter, names, settings.poll_seconds)


class StepNames:
    """What the steps of a model's program are called, if it is the game's; loaded when needed."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._known: dict[bytes, list[str]] | None = None

    def of(self, report: Report) -> str | None:
        """The disputed step's name; None if no step is picked yet or the model is another."""
        record, pass_ = report.view.record, report.view.pass_
        if not record.step_known or pass_ is None:
            return None
        if self._known is None:
            self._known = self._load()
        names = self._known.get(pass_.program_root)
        return names[record.step_index] if names else None

    def _load(self) -> dict[bytes, list[str]]:
        """Names by program root; nothing where the extra `engine` is not installed."""
        try:
            from assay.engine.importer import SHIPPED_MODEL
            from assay.engine.load import import_model
            from assay.trace.commitment import named_program
        except ImportError:
            return {}
        program_root, names = named_program(import_model(self._path or SHIPPED_MODEL))
        return {program_root: names}


def document(report: Report, step_name: str | None) -> dict[str, Any]:
    """The report as one JSON document."""
    facts = report.facts()
    return facts | {"step_name": step_name, "path": report.path, "moves": report.moves}


def _show_once(report: Report, names: StepNames, as_json: bool) -> None:
    if as_json:
        output.print_json(document(report, names.of(report)))
    else:
        _draw(report, names)


def _draw(report: Report, names: StepNames) -> None:
    from assay.cli.game_picture import picture

    output.stdout.print(picture(report, names.of(report)))


def _follow_lines(reporter: Reporter, names: StepNames, as_json: bool, seconds: float) -> None:
    """A document, or a picture, for every change."""
    last: object = None
    while True:
        report = reporter.read()
        if report.view != last:
            last = report.view
            if as_json:
                output.print_line(document(report, names.of(report)))
            else:
                _draw(report, names)
                sys.stdout.flush()
        if report.view.state.phase is Phase.RESOLVED:
            return
        time.sleep(seconds)


def _follow_live(reporter: Reporter, names: StepNames, seconds: float) -> None:
    from assay.cli.game_picture import picture

    report = reporter.read()
    drawn = picture(report, names.of(report))
    with Live(drawn, console=output.stdout, vertical_overflow="visible") as live:
        while report.view.state.phase is not Phase.RESOLVED:
            time.sleep(seconds)
            report = reporter.read()
            live.update(picture(report, names.of(report)), refresh=True)
