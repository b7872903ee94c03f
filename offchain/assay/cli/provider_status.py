"""`assay provider status`: one look, a view that refreshes itself, or JSON."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from assay.cli import output
from assay.cli.provider_reports import ETHER, dollars, when
from assay.core.settings import ChainSettings, ProviderSettings, load_settings

if TYPE_CHECKING:
    from assay.provider.overview import Overview, Standing
    from assay.provider.view import View


def status(
    address: Annotated[
        str | None, typer.Argument(help="Another provider: its bond only. Default: this one.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Refresh until Ctrl-C.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Load, claims, windows, games, deadlines, bond and gas of a provider.

    With --watch --json one document a line.
    """
    from assay.provider.overview import overview
    from assay.provider.view import View

    if address is not None:
        _show_other(address, as_json)
        return
    view = View.of(load_settings(ProviderSettings))
    if not watch:
        _show(overview(view), as_json)
    elif as_json or not output.stdout.is_terminal:
        while True:
            _show(overview(view), as_json, a_line=True)
            time.sleep(view.settings.poll_seconds)
    else:
        _watch(view)


def document(found: Overview) -> dict[str, Any]:
    plain: dict[str, Any] = output.plain(found)
    return plain | {"next_deadline": found.next_deadline, "next_window": found.next_window}


def bond_fields(held: Standing) -> dict[str, object]:
    """For people: amounts in whole tokens."""
    fields: dict[str, object] = asdict(held)
    scale, symbol = 10 ** fields.pop("bond_decimals"), fields.pop("bond_token")  # type: ignore[operator]
    for name in ("bonded", "locked", "free", "slash_per_claim"):
        fields[name] = f"{getattr(held, name) / scale:,.2f} {symbol}"
    return fields


def _show_other(address: str, as_json: bool) -> None:
    from assay.chain.network import Network
    from assay.provider.overview import standing

    settings = load_settings(ChainSettings)
    network = Network.connect(settings.model_copy(update={"keystore": None}))
    held = standing(network, network.web3.to_checksum_address(address))
    if as_json:
        output.print_json(held)
    else:
        output.print_fields("provider", bond_fields(held))


def _show(found: Overview, as_json: bool, a_line: bool = False) -> None:
    if as_json:
        (output.print_line if a_line else output.print_json)(document(found))
    else:
        output.stdout.print(picture(found))


def _watch(view: View) -> None:
    from assay.provider.overview import overview

    with Live(picture(overview(view)), console=output.stdout, screen=True) as live:
        while True:
            time.sleep(view.settings.poll_seconds)
            live.update(picture(overview(view)), refresh=True)


def picture(found: Overview) -> Group:
    """Everything at a glance, the most urgent first."""
    parts = [_head(found), _games(found), _models(found), _workers(found), _batches(found)]
    return Group(*(part for part in parts if part is not None), _money(found))


def _head(found: Overview) -> Text:
    health = found.health
    if health is None:
        state = "not running" if found.process is None else f"process {found.process}, no answer"
    else:
        state = f"{health['status']}, up {_span(health['uptime_seconds'])}"
    line = Text.assemble(("provider ", "bold"), found.standing.provider, "  ")
    line.append(state, "green" if health and health["status"] == "ok" else "yellow")
    if found.leaving:
        line.append("  leaving", "yellow")
    if found.next_deadline is not None:
        line.append(f"\nmove due {when(found.next_deadline)}", "bold red")
    return line


def _games(found: Overview) -> Table | None:
    rows = [
        (
            f"0x{game.game_id.hex()[:16]}…",
            game.token_index,
            game.phase,
            game.turn,
            when(game.deadline),
        )
        for game in found.games
    ]
    return _table("games", ("game", "token", "phase", "turn", "deadline"), rows)


def _models(found: Overview) -> Table | None:
    rows = [
        (
            model["id"],
            f"{model['running']} of {model['capacity']}",
            f"{model['tokens_per_second']:.1f}",
            model["tokens"],
            f"{model['price_input']:,} / {model['price_output']:,}",
        )
        for model in (found.health or {"models": []})["models"]
    ]
    header = ("model", "jobs", "tokens/s", "tokens", "micro-USD per million, in / out")
    return _table("models", header, rows)


def _workers(found: Overview) -> Table | None:
    rows = [
        (w["worker"], w["model"], w["node"], w["state"], f"{w['running']} of {w['slots']}")
        for w in (found.health or {}).get("workers", ())
    ]
    return _table("workers", ("worker", "model", "node", "state", "jobs"), rows)


def _batches(found: Overview) -> Table | None:
    scale = 10**found.standing.bond_decimals
    rows = [
        (
            f"0x{batch.batch_id.hex()[:16]}…",
            batch.claims,
            dollars(batch.price),
            f"{batch.locks / scale:,.2f} {found.standing.bond_token}",
            when(batch.until),
        )
        for batch in found.batches
    ]
    return _table("open batches", ("batch", "claims", "price", "locks", "window ends"), rows)


def _money(found: Overview) -> Table:
    grid = Table.grid(padding=(0, 2))
    claims = ", ".join(f"{count:,} {stage}" for stage, count in found.claims.items())
    fields: dict[str, object] = {"claims": claims, **bond_fields(found.standing)}
    del fields["provider"]
    fields["earnings to withdraw"] = dollars(found.earnings)
    fields["ether for gas"] = f"{found.balance_wei / ETHER:.6f}"
    for name, value in fields.items():
        grid.add_row(Text(name.replace("_", " "), style="dim"), output.shown(value))
    return grid


def _table(title: str, header: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> Table | None:
    """None for no rows."""
    if not rows:
        return None
    table = Table(*header, title=title, title_justify="left")
    for row in rows:
        table.add_row(*(output.shown(cell) for cell in row))
    return table


def _span(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"
