"""DisputeGame.pick_element: one element of the revealed tile."""

from __future__ import annotations

import pytest

from tests.support.market import Market, event
from tests.support.toy_game import PICK_ELEMENT, PROVE_ELEMENT, Place, ToyGame, ToyTrace, open_game


@pytest.mark.parametrize(
    ("place", "value"),
    [((1, 0, 0), -9), ((1, 2, 511), 2502), ((1, 2, 512), 2503), ((1, 3, 699), 3690)],
)
def test_default_behavior(market: Market, game: ToyGame, place: Place, value: int) -> None:
    game.play(place, until=PICK_ELEMENT)
    game.move("pick_element", *game.element_arguments(place[2]))
    picked = event(market.game, "ElementPicked")
    assert (picked.row, picked.column, picked.value) == (place[1], place[2], value)
    assert game.record.node == game.node_of((place[1], place[2], value, []))
    assert game.phase == PROVE_ELEMENT


@pytest.mark.parametrize("value", [-(2**63), 2**63 - 1, -1, 0])
def test_extreme_values(market: Market, game: ToyGame, value: int) -> None:
    """Step 3 has one element of eight bytes in a row: params[0] + 1000 * 150 honestly."""
    trace = ToyTrace(4, {(3, 150, 0): value - 150_001})
    other = open_game(market, game.claim, trace, challenger=market.stranger)
    other.play((3, 150, 0), until=PICK_ELEMENT)
    other.move("pick_element", *other.element_arguments(0))
    assert event(market.game, "ElementPicked").value == value


@pytest.mark.parametrize("element", [188, 511, 2**32, 2**256 - 1])
def test_revert_no_such_element(game: ToyGame, element: int) -> None:
    """The last tile of a row of 700 has 188."""
    game.play((1, 2, 600), until=PICK_ELEMENT)
    game.refuses("dispute_game: no such element", "pick_element", element, *game.tile_arguments())


def test_revert_altered_tile(game: ToyGame) -> None:
    game.play((1, 2, 600), until=PICK_ELEMENT)
    (data,) = game.tile_arguments()
    for other in (bytes([data[0] ^ 1]) + data[1:], data[:-4], b""):
        game.refuses("dispute_game: wrong opening", "pick_element", 3, other)
