"""Draws a game: whose clock runs, how far down it is, what was shown, what it cost. No I/O."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from assay.chain.game_report import Report
from assay.core.game import Phase, Player

COLOURS = {Player.PROVIDER: "magenta", Player.CHALLENGER: "green"}
BAR_WIDTH = 32
SECONDS_A_DAY = 86_400


def picture(report: Report, step_name: str | None) -> RenderableType:
    """The whole game; `step_name` of the disputed step, if it is known."""
    return Group(
        _title(report),
        _sides(report),
        _way_down(report, step_name),
        _moves(report),
        _verdict(report),
    )


def duration(seconds: int) -> str:
    """Seconds as a clock shows them."""
    days, rest = divmod(seconds, SECONDS_A_DAY)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    return f"{days} d " * bool(days) + f"{hours:02}:{minutes:02}:{rest:02}"


def _title(report: Report) -> RenderableType:
    view = report.view
    return Text.assemble(
        ("game ", "bold"),
        f"0x{view.game_id.hex()}\n",
        ("about ", "dim"),
        f"output token {view.record.token_index} of job 0x{view.job_id.hex()}",
        overflow="fold",
    )


def _sides(report: Report) -> RenderableType:
    table = Table(box=None, show_header=False, pad_edge=False)
    for side in Player:
        runs = report.view.state.turn is side
        left = report.left[side]
        bar = ProgressBar(
            total=max(report.clock_seconds, left, 1),
            completed=left,
            width=BAR_WIDTH,
            complete_style=COLOURS[side] if runs else "dim",
            finished_style=COLOURS[side] if runs else "dim",
        )
        address = getattr(report.view.record, side.value)
        moves = report.view.state.phase.name.lower().replace("_", " ") if runs else ""
        mark = Text("▶" if runs else " ", style=COLOURS[side])
        table.add_row(mark, Text(side.value, COLOURS[side]), address, bar, duration(left), moves)
    return table


def _way_down(report: Report, step_name: str | None) -> RenderableType:
    """Each level hangs from the one above it, as the game went."""
    tree = Tree(Text("the claim", style="bold"), guide_style="dim")
    branch = tree
    for level in report.path:
        what = Text(level.what)
        if level.event == "StepRevealed" and step_name is not None:
            what.append(f" ({step_name})", style="cyan")
        branch = branch.add(what)
    return tree


def _moves(report: Report) -> RenderableType:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name, numeric in (
        ("block", True),
        ("by", False),
        ("move", False),
        ("gas", True),
        ("bytes", True),
        ("what", False),
    ):
        table.add_column(name, justify="right" if numeric else "left", no_wrap=name != "what")
    colours = {side.value: colour for side, colour in COLOURS.items()}
    for move in report.moves:
        by = Text(move.by, style=colours.get(move.by, ""))
        gas, size = f"{move.gas:,}", f"{move.calldata:,}"
        table.add_row(str(move.block), by, Text(move.move, "bold"), gas, size, Text(move.what))
    return table


def _verdict(report: Report) -> RenderableType:
    view = report.view
    cost = f"{len(report.moves)} transactions, {report.gas:,} gas in all"
    if view.state.phase is not Phase.RESOLVED:
        return Text(cost, style="dim")
    winner = view.outcome.name.lower().replace("_", " ")
    text = f"{winner}: {view.reason}" if view.reason else winner
    return Panel(f"{text}\n{cost}", title="verdict", title_align="left", expand=False)
