"""Closes games about claims that another game has convicted: challengers have their bonds back."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from assay.chain.rehearse import Call
from assay.core.errors import InputError
from assay.keeper.job import Action, Job
from assay.keeper.site import Site


def plan(site: Site) -> Iterator[Action]:
    for game_id in sorted(site.open().games):
        try:
            view = site.games.view(game_id)
        except InputError:
            continue  # a reorganisation took it back
        if view.state.claim_dead and view.state.turn is not None:
            call = Call(site.network.game, "close", tuple(view.standing.abi()))
            yield Action(call, _due(site, game_id, view.standing.record.hash))


def _due(site: Site, game_id: bytes, hashed: bytes) -> Callable[[], bool]:
    """Nobody has moved since."""
    return lambda: site.network.game.standing(game_id) == hashed


JOB = Job("close_games", plan)
