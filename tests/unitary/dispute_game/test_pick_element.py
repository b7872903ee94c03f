"""DisputeGame.pick_element: one element of the revealed tile."""

from __future__ import annotations

import pytest

from assay.core.partials import packed
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
    assert game.record.node == game.node_of((place[1], place[2], value, b""))
    assert game.phase == PROVE_ELEMENT


def test_reduction(market: Market, game: ToyGame) -> None:
    """What the challenger states is logged, and part of what the provider must answer."""
    game.play((2, 1, 3), until=PICK_ELEMENT)
    game.move("pick_element", *game.element_arguments(3, misstated=1))
    stated = packed([11, 13, 13])
    assert event(market.game, "ElementPicked").partials == stated
    assert game.record.node == game.node_of((1, 3, 36, stated))
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
    data = game.tile_arguments()
    game.refuses("dispute_game: no such element", "pick_element", element, *data, b"")


@pytest.mark.parametrize("count", [0, 1, 2, 4, 256])
def test_revert_wrong_number_of_partials(game: ToyGame, count: int) -> None:
    game.play((2, 1, 3), until=PICK_ELEMENT)
    element, data, _ = game.element_arguments(3)
    stated = packed([11] * count)
    game.refuses("dispute_game: wrong partials", "pick_element", element, data, stated)


def test_revert_part_of_a_partial(game: ToyGame) -> None:
    game.play((2, 1, 3), until=PICK_ELEMENT)
    element, data, stated = game.element_arguments(3)
    for other in (stated[:-1], stated + b"\x00"):
        game.refuses("dispute_game: wrong partials", "pick_element", element, data, other)


@pytest.mark.parametrize("place", [(1, 2, 600), (3, 1, 0)])
def test_revert_partials_of_at_most_one_chunk(game: ToyGame, place: Place) -> None:
    game.play(place, until=PICK_ELEMENT)
    element, data, stated = game.element_arguments(place[2])
    assert stated == b""
    game.refuses("dispute_game: wrong partials", "pick_element", element, data, bytes(8))


def test_revert_altered_tile(game: ToyGame) -> None:
    game.play((1, 2, 600), until=PICK_ELEMENT)
    (data,) = game.tile_arguments()
    for other in (bytes([data[0] ^ 1]) + data[1:], data[:-4], b""):
        game.refuses("dispute_game: wrong opening", "pick_element", 3, other, b"")
