"""After a fault: until nothing is left to do, whoever has to do it."""

from __future__ import annotations

from typing import Any

import httpx

from assay.chain.games import Games
from assay.chain.settlement import ClaimStatus
from assay.core.game import Player
from tests.e2e.chaos.sources import held_back, journal_rows, uncollected
from tests.e2e.chaos.town import Town
from tests.integration.services import Running, wait_for

SETTLE_SECONDS = 300.0
"""Of each step, on a machine that is busy with other things: more than a lease of one who was
killed."""

_WAITING = "SELECT COUNT(*) FROM claims WHERE batch_nonce IS NULL"
_PLACES = "SELECT batch_id, place, state FROM claims JOIN batches ON nonce = batch_nonce"


def settle(town: Town) -> None:
    """Jobs ended, claims posted, games decided, windows over, all paid, charged, collected, and
    indexed."""
    _wait(town, _idle, "the end of all jobs")
    _wait(town, _posted, "the posting of all claims")
    _wait(town, _convicted, "the conviction of all lies")
    for game in town.false_games:
        _outlast(town, game)
    network = town.arena.network
    town.arena.pass_time(network.now() + network.settlement.window_seconds())
    _wait(town, _ended, "the payment of all claims")
    _wait(town, _charged, "the end of all reservations")
    _wait(town, _collected, "the collection of all vouchers")
    _wait(town, indexed, "the index at the head")


def indexed(town: Town) -> bool:
    """Whether the index stands at the newest block."""
    try:
        told = httpx.get(f"{town.services.indexer.url}/health", timeout=10).json()
    except httpx.HTTPError:
        return False
    return bool(told["status"] == "following" and told["block"] == town.arena.network.head())


def _wait(town: Town, done: Any, what: str) -> None:
    wait_for(lambda: True if done(town) else None, SETTLE_SECONDS, what)


def _idle(town: Town) -> bool:
    """Whether providers have ended what they began, for gateways that may have given it up."""
    return not any(map(_running, (town.services.provider, town.services.cheat)))


def _running(provider: Running) -> bool:
    try:
        told = httpx.get(f"{provider.url}/health", timeout=10).json()
    except httpx.HTTPError:
        return True
    return any(model["running"] for model in told["models"])


def _posted(town: Town) -> bool:
    """Whether every claim of the provider is in a batch that the chain holds."""
    provider, settlement = town.services.provider, town.arena.network.settlement
    ((waiting,),) = journal_rows(provider, _WAITING)
    ids = journal_rows(provider, "SELECT batch_id FROM batches")
    return not waiting and all(settlement.batch(batch_id).posted_at for (batch_id,) in ids)


def _convicted(town: Town) -> bool:
    """Whether every claim of the cheating provider is: each is a lie."""
    ((waiting,),) = journal_rows(town.services.cheat, _WAITING)
    rows = journal_rows(town.services.cheat, _PLACES)
    settlement = town.arena.network.settlement
    return not waiting and all(
        settlement.status(batch_id, place) is ClaimStatus.CONVICTED for batch_id, place, _ in rows
    )


def _outlast(town: Town, game: bytes) -> None:
    """Wait for the provider's answer, then let the silent challenger's clock run out."""
    network = town.arena.network
    if not any(network.game.standing(game)):
        return  # a reorganisation took it, and nobody makes it again

    def waits() -> Any:
        view = Games(network).view(game)
        return view if view.state.turn is not Player.PROVIDER else None

    view = wait_for(waits, SETTLE_SECONDS, "the provider's move")
    if view.state.turn is None:
        return
    town.arena.pass_time(view.state.deadline)
    _wait(town, lambda _: Games(network).view(game).state.turn is None, "the end of the game")


def _ended(town: Town) -> bool:
    """Whether the chain says of every claim that it is over, and the journal as well."""
    settlement = town.arena.network.settlement
    rows = journal_rows(town.services.provider, _PLACES)
    return all(state != "open" for _, _, state in rows) and all(
        settlement.status(batch_id, place) is not ClaimStatus.OPEN for batch_id, place, _ in rows
    )


def _charged(town: Town) -> bool:
    return held_back(town) == 0


def _collected(town: Town) -> bool:
    return uncollected(town) == 0
