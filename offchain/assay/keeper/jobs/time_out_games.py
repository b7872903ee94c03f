"""Ends games whose side to move has let its clock run out."""

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
        over = view.state.turn is not None and site.due_since(view.state.deadline)
        if over and not view.state.claim_dead:
            standing = view.standing
            call = Call(site.network.game, "timeout", tuple(standing.abi()))
            yield Action(call, _due(site, game_id, standing.record.hash))


def _due(site: Site, game_id: bytes, hashed: bytes) -> Callable[[], bool]:
    """Nobody has moved since."""
    return lambda: site.network.game.standing(game_id) == hashed


JOB = Job("time_out_games", plan)
