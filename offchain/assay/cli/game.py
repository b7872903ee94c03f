"""`assay game …`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from assay.cli import output
from assay.core.settings import ChainSettings, load_settings
from assay.core.wire import parse_bytes

if TYPE_CHECKING:
    from assay.chain.game_view import GameView
    from assay.chain.network import Network

app = typer.Typer(help="Look at disputes.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Look at disputes."""


@app.command()
def show(
    game_id: Annotated[str, typer.Argument(help="The game's id, 0x and 64 hex digits.")],
    as_json: output.JsonFlag = False,
) -> None:
    """State, moves and gas of one game, read from the chain (settings: ASSAY_*)."""
    from assay.chain.game_view import read_game
    from assay.chain.network import Network

    network = Network.connect(load_settings(ChainSettings))
    view = read_game(network, parse_bytes(game_id, "game id", 32))
    moves = _moves(network, view)
    facts = _facts(view) | {"gas": sum(move["gas"] for move in moves)}
    if as_json:
        output.print_json(facts | {"moves": moves})
        return
    output.print_fields("game", facts)
    header = ("block", "move", "gas", "calldata", "by", "what")
    rows = [[move[name] for name in header] for move in moves]
    output.print_table("moves", header, rows)


def _facts(view: GameView) -> dict[str, Any]:
    record = view.record
    element = view.element
    return {
        "game": view.game_id,
        "claim": view.claim_id,
        "job": view.job_id,
        "provider": record.provider,
        "challenger": record.challenger,
        "token_index": record.token_index,
        "phase": view.state.phase.name.lower(),
        "turn": view.state.turn.value if view.state.turn else None,
        "deadline": view.state.deadline or None,
        "outcome": view.outcome.name.lower(),
        "reason": view.reason or None,
        "step": record.step_index if record.step_known else None,
        "element": [element.row, element.column] if element else None,
        "claimed_value": element.value if element else None,
    }


def _moves(network: Network, view: GameView) -> list[dict[str, Any]]:
    from assay.chain.moves import describe, read_move

    roles = {view.record.provider: "provider", view.record.challenger: "challenger"}
    moves = {}
    for event in view.events:
        if event.transaction not in moves:
            transaction = read_move(network, event.transaction)
            moves[event.transaction] = {
                "block": transaction.block,
                "transaction": transaction.hash,
                "move": transaction.function,
                "by": roles.get(transaction.sender, transaction.sender),
                "gas": transaction.gas,
                "calldata": transaction.calldata_bytes,
                "what": describe(event),
            }
    return list(moves.values())
