"""Partials: what the challenger states of a long reduction binds both sides, and favours neither.

A liar restates the partials, names one that does not exist, or has its reduction judged as another
kind of element; a false challenger misstates one, or states one too many.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from boa import BoaError

from assay.core.partials import packed
from assay.core.types import EMPTY_TOKEN
from tests.attacks.arena import Defect, dispute
from tests.support.market import Claim, Market
from tests.support.toy_game import (
    CHALLENGER_WON,
    PICK_ELEMENT,
    PROVE_ELEMENT,
    PROVIDER_WON,
    Place,
    ToyGame,
    ToyTrace,
    open_game,
)

GAME, VERDICTS = "disputes/DisputeGame", "modules/verdicts"
LONG = (2, 1, 3)
"""An element of three chunks."""
SHORT = (1, 2, 600)
POSITIONS = 4

OTHER_PARTIALS = Defect(
    GAME,
    "    game_state._check_context(record, pass_, step, element)\n"
    '    assert len(element.partials) > 0, "dispute_game: prove the element"\n    joins',
    '    assert len(element.partials) > 0, "dispute_game: prove the element"\n    joins',
    VERDICTS,
)
NO_LAST_CHUNK = Defect(
    GAME,
    "    assert chunk < len(element.partials) // descent.PARTIAL_BYTES, "
    '"dispute_game: no such chunk"\n',
    "",
    VERDICTS,
)
LONG_AS_SHORT = Defect(
    GAME, '    assert len(element.partials) == 0, "dispute_game: many chunks"\n', "", VERDICTS
)
SHORT_AS_LONG = Defect(
    GAME,
    '    assert len(element.partials) > 0, "dispute_game: prove the element"\n    joins',
    "    joins",
    VERDICTS,
)
BELIEVES_PARTIALS = Defect(GAME, "record, not as_stated,", "record, as_stated,", VERDICTS)
ANY_NUMBER = Defect(
    GAME,
    '    assert len(partials) == descent.partials_bytes(cursor), "dispute_game: wrong partials"\n',
    "",
    "modules/walk",
)

Attack = Callable[[Market, Claim], bool]


def lying(market: Market, claim: Claim, place: Place, value: int) -> ToyGame:
    """A game before its proof, about an element that is falsely `value`."""
    truth = ToyTrace(POSITIONS).element(place)
    trace = ToyTrace(POSITIONS, {place: value - truth})
    return open_game(market, claim, trace).play(place, until=PROVE_ELEMENT)


def restate(market: Market, claim: Claim) -> bool:
    """A liar joins other partials than the stated ones: some that give its element."""
    false = ToyTrace(POSITIONS).element(LONG) + 1
    game = lying(market, claim, LONG, false)
    terms, step, element, openings = game.proof_arguments(LONG[2])
    arguments = (terms, step, (*element[:3], packed([false, 0, 0])), openings)
    return _proven(game, "prove_combine", *arguments)


def name_no_chunk(market: Market, claim: Claim) -> bool:
    """A liar names a partial after the last, which nobody has stated."""
    game = lying(market, claim, LONG, ToyTrace(POSITIONS).element(LONG) + 1)
    return _proven(game, "prove_chunk", *game.chunk_arguments(LONG[2], 3))


def prove_at_once(market: Market, claim: Claim) -> bool:
    """A liar has a long reduction judged as a short one: by its first chunk."""
    game = lying(market, claim, LONG, ToyTrace(POSITIONS).partials(LONG)[0])
    arguments = game.proof_arguments(LONG[2])
    return _proven(game, "prove_element", *arguments, EMPTY_TOKEN.abi())


def join_nothing(market: Market, claim: Claim) -> bool:
    """A liar has an element without partials judged by them: nothing gives nothing."""
    game = lying(market, claim, SHORT, 0)
    return _proven(game, "prove_combine", *game.proof_arguments(SHORT[2]))


def misstate(market: Market, claim: Claim) -> bool:
    """A false challenger misstates a partial, so that they do not give the right element."""
    game = open_game(market, claim).play(LONG, misstated=1)
    return game.record.outcome == CHALLENGER_WON


def understate(market: Market, claim: Claim) -> bool:
    """A false challenger leaves a partial out: each one stated is right, their sum is not."""
    game = open_game(market, claim).play(LONG, until=PICK_ELEMENT)
    element, data, _ = game.element_arguments(LONG[2])
    stated = packed(game.partials(LONG[2])[:-1])
    try:
        game.move("pick_element", element, data, stated)
    except BoaError:
        return False
    terms, step, right, openings = game.proof_arguments(LONG[2])
    picked = (*right[:3], stated)
    with pytest.raises(BoaError, match="no such chunk"):
        game.move("prove_chunk", terms, step, picked, 2, openings)
    game.move("prove_combine", terms, step, picked, openings)
    return game.record.outcome == CHALLENGER_WON


def _proven(game: ToyGame, name: str, *arguments: object) -> bool:
    """Whether this proof acquits."""
    try:
        game.move(name, *arguments)
    except BoaError:
        return False
    return game.record.outcome == PROVIDER_WON


ATTACKS = [
    pytest.param(restate, OTHER_PARTIALS, id="other partials"),
    pytest.param(name_no_chunk, NO_LAST_CHUNK, id="a chunk after the last"),
    pytest.param(prove_at_once, LONG_AS_SHORT, id="a long one as a short one"),
    pytest.param(join_nothing, SHORT_AS_LONG, id="a short one as a long one"),
    pytest.param(misstate, BELIEVES_PARTIALS, id="a misstated partial"),
    pytest.param(understate, ANY_NUMBER, id="a partial too few"),
]


@pytest.mark.parametrize(("attack", "defect"), ATTACKS)
def test_no_other_parts(attack: Attack, defect: Defect) -> None:
    """It fails on the contracts, and succeeds where the defence is missing."""
    with dispute() as sound:
        assert not attack(*sound)
    with dispute(defect) as defective:
        assert attack(*defective)
