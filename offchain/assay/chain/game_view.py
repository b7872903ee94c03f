"""Reads one game at one block: the contract's record plus what its moves left in events.

Hashes alone are stored on chain; revealed nodes, tiles and elements are in the events, so that
anybody can follow a game, take over a side after a restart, or report it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from assay.chain.dispute import Element, GameRecord, Outcome
from assay.chain.events import BLOCKS_PER_CALL, Event, EventDecoder
from assay.chain.network import Network
from assay.chain.node import node_errors, url_of
from assay.core.errors import InputError
from assay.core.game import GameState, Phase, tiles_per_row
from assay.core.merkle import depth_of
from assay.core.types import TILE, Pass, Step

SHOWS_CHILDREN = ("Answered", "NodesRevealed", "StepRevealed")

T = TypeVar("T")


@dataclass(frozen=True)
class GameView:
    """Everything about a game.

    `record` is the contract's, `state` what the players' rules look at, `events` the game's own
    in order. `pass_`, `step`, `element` are None until answered, revealed, picked.
    """

    game_id: bytes
    claim_id: bytes
    job_id: bytes
    record: GameRecord
    state: GameState
    pass_: Pass | None
    step: Step | None
    element: Element | None
    events: tuple[Event, ...]

    @property
    def outcome(self) -> Outcome:
        return Outcome(self.record.outcome)

    @property
    def reason(self) -> str:
        """Why the game ended, in the contract's words; "" while it runs."""
        resolved = self.last("GameResolved")
        return str(resolved.args["reason"]) if resolved else ""

    def last(self, *names: str) -> Event | None:
        """The newest event of these names."""
        return next((event for event in reversed(self.events) if event.name in names), None)


def read_game(network: Network, game_id: bytes, since: int | None = None) -> GameView:
    """The game at the newest block. `since`: a block that its opening is likely not before.

    Raises InputError for an unknown game.
    """
    with node_errors(url_of(network.web3)):
        block = network.web3.eth.block_number
    record = network.game.game(game_id, block)
    if record.phase == 0:
        raise InputError(
            f"no game 0x{game_id.hex()} at block {block}; check the id and the deployment",
            code="unknown_game",
            status=404,
        )
    beginning = network.deployment.block
    events = _events(network, game_id, beginning if since is None else since, block)
    if not events or events[0].name != "GameOpened":
        # A reorganisation moved the opening to before `since`.
        events = _events(network, game_id, beginning, block)
    opened = events[0].args
    step_event = _last(events, "StepRevealed")
    element = _element(events)
    answered = _last(events, "Answered")
    pass_ = as_struct(Pass, answered.args["pass_"]) if answered else None
    return GameView(
        game_id=game_id,
        claim_id=bytes(opened["claim_id"]),
        job_id=bytes(opened["job_id"]),
        record=record,
        state=_state(network, game_id, block, record, pass_, element, events),
        pass_=pass_,
        step=as_struct(Step, step_event.args["step"]) if step_event else None,
        element=element,
        events=tuple(events),
    )


def as_struct(kind: type[T], value: object) -> T:
    """A decoded ABI struct (tuple or mapping, in field order) as its dataclass."""
    fields = value.values() if isinstance(value, Mapping) else cast(Sequence[Any], value)
    return kind(*(tuple(item) if isinstance(item, list | tuple) else item for item in fields))


def _state(
    network: Network,
    game_id: bytes,
    block: int,
    record: GameRecord,
    pass_: Pass | None,
    element: Element | None,
    events: Sequence[Event],
) -> GameState:
    shape = _shape(events)
    phase = Phase(record.phase)
    tile = _last(events, "TileRevealed")
    rival = _last(events, "SampleChallenged")
    index = record.node_index
    if element is not None and shape is not None:
        index = element.row * tiles_per_row(shape[1]) + element.column // TILE
    return GameState(
        phase=phase,
        positions=pass_.positions if pass_ else 0,
        token_index=record.token_index,
        steps=pass_.n_steps if pass_ else 0,
        step=record.step_index if record.step_known else None,
        shape=shape,
        level=depth_of(record.leaf_count) - record.depth_left,
        index=index,
        children=_children(events) if phase is Phase.PICK_NODE else (),
        tile=bytes(tile.args["data"]) if tile else b"",
        column=element.column if element else None,
        partials=element.partials if element else (),
        chunk=record.target if phase is Phase.PROVE_CHUNK else None,
        rival=int(rival.args["rival"]) if rival else None,
        deadline=network.game.clocks(game_id, block).deadline,
        claim_dead=network.game.convicted(_claim_id(events), block),
    )


def _events(network: Network, game_id: bytes, start: int, block: int) -> list[Event]:
    """The game's own events from `start` to `block`, read in pieces that endpoints accept."""
    source = next(s for s in network.sources() if s.name == "DisputeGame")
    decoder = EventDecoder(network.web3, [source])
    found: list[Event] = []
    for first in range(start, block + 1, BLOCKS_PER_CALL):
        wanted = {
            "fromBlock": first,
            "toBlock": min(first + BLOCKS_PER_CALL - 1, block),
            "address": source.address,
            "topics": [None, "0x" + game_id.hex()],
        }
        with node_errors(url_of(network.web3)):
            logs = network.web3.eth.get_logs(cast(Any, wanted))
        found += [event for event in map(decoder.decode, logs) if event is not None]
    return found


def _shape(events: Sequence[Event]) -> tuple[int, int, int] | None:
    revealed = _last(events, "StepRevealed")
    if revealed is None:
        return None
    args = revealed.args
    return int(args["rows"]), int(args["width"]), int(args["elem_bytes"])


def _element(events: Sequence[Event]) -> Element | None:
    picked, shown = _last(events, "ElementPicked"), _last(events, "PartialsRevealed")
    if picked is None:
        return None
    args = picked.args
    partials = tuple(shown.args["partials"]) if shown else ()
    return Element(int(args["row"]), int(args["column"]), int(args["value"]), partials)


def _children(events: Sequence[Event]) -> tuple[bytes, ...]:
    shown = _last(events, *SHOWS_CHILDREN)
    return tuple(bytes(child) for child in shown.args["children"]) if shown else ()


def _claim_id(events: Sequence[Event]) -> bytes:
    return bytes(events[0].args["claim_id"])


def _last(events: Sequence[Event], *names: str) -> Event | None:
    return next((event for event in reversed(events) if event.name in names), None)
