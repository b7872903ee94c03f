"""Audits.expose: two traces for one claim, one vouched for and one in a game."""

from __future__ import annotations

import boa
import pytest

from tests.support.auditing import AGREES, WITNESS, Auditing
from tests.support.market import BOND, REWARD_BPS, SLASH, STEPS, Claim, Market, event, reverts
from tests.support.toy_game import ToyGame, ToyTrace, embedding_claim, open_game

LAST = len(STEPS) - 1


def game_about(auditing: Auditing, claim: Claim, witness: bytes, token: int = 4) -> ToyGame:
    """A game that an auditor has opened, after the provider has vouched for a witness."""
    auditor = auditing.commit(claim)
    auditing.vouch(claim, witness)
    assert auditor != auditing.market.challenger
    return open_game(auditing.market, claim, token_index=token)


def last_leaf(game: ToyGame) -> tuple[bytes, tuple[bytes, ...]]:
    tree = game.trace.steps_tree
    return tree.at(tree.depth, LAST), tree.path(LAST)


def test_default_behavior(drawn: Auditing, claim: Claim) -> None:
    """The reward is the opener's; the game ends by itself, and its bond leaves."""
    market = drawn.market
    game = game_about(drawn, claim, WITNESS).answer()
    drawn.contract.expose(game.game_id, game.standing, *last_leaf(game), sender=market.stranger)
    failed = event(drawn.contract, "ProviderFailed")
    assert (failed.rewarded, failed.reason) == (game.challenger, "two traces")
    assert market.settlement.status(claim.batch_id, claim.index) == 2
    assert drawn.assay(game.challenger) == SLASH * REWARD_BPS // 10_000
    game.play((LAST, 0, 0))
    assert drawn.assay(market.game.address) == 0


def test_a_game_that_is_won_besides_slashes_once(drawn: Auditing, claim: Claim) -> None:
    market = drawn.market
    game = game_about(drawn, claim, WITNESS).answer()
    bonded = market.providers.bonded(market.provider)
    drawn.contract.expose(game.game_id, game.standing, *last_leaf(game))
    game.move("pick_node", *game.pick_arguments(0))
    drawn.after(claim, 8)
    boa.env.time_travel(seconds=10_000)
    game.timeout()
    assert market.providers.bonded(market.provider) == bonded - SLASH
    assert drawn.assay(game.challenger) == BOND + SLASH * REWARD_BPS // 10_000


def test_the_same_trace_exposes_nothing(drawn: Auditing, claim: Claim) -> None:
    trace = ToyTrace(claim.job.prompt_tokens + 4)
    leaf = trace.steps_tree.at(trace.steps_tree.depth, LAST)
    game = game_about(drawn, claim, leaf).answer()
    with reverts("audits: as vouched"):
        drawn.contract.expose(game.game_id, game.standing, *last_leaf(game))


def test_of_an_embedding_the_roots_are_compared(market: Market) -> None:
    claim = embedding_claim(market, ToyTrace(3))
    auditing = Auditing(market)
    auditing.sit()
    auditing.draw()
    game = game_about(auditing, claim, WITNESS, token=0).answer()
    with reverts("audits: wrong path length"):
        auditing.contract.expose(game.game_id, game.standing, game.trace.root, [bytes(32)])
    auditing.contract.expose(game.game_id, game.standing, game.trace.root, [])
    assert market.settlement.status(claim.batch_id, claim.index) == 2


def test_revert(drawn: Auditing, claim: Claim) -> None:
    game = open_game(drawn.market, claim, token_index=4)
    with reverts("audits: not vouched"):
        drawn.contract.expose(game.game_id, game.standing, *last_leaf(game))
    auditor = drawn.commit(claim)
    drawn.vouch(claim)
    drawn.reveal(claim, auditor)
    assert drawn.state(claim) == AGREES
    with reverts("audits: game is not answered"):
        drawn.contract.expose(game.game_id, game.standing, *last_leaf(game))
    game.answer()
    leaf, path = last_leaf(game)
    with reverts("audits: wrong path length"):
        drawn.contract.expose(game.game_id, game.standing, leaf, path[:-1])
    with reverts("audits: not in the game's trace"):
        drawn.contract.expose(game.game_id, game.standing, WITNESS[::-1][:31] + b"x", path)
    tree = game.trace.steps_tree
    with reverts("audits: not in the game's trace"):
        drawn.contract.expose(game.game_id, game.standing, tree.at(tree.depth, 0), tree.path(0))


@pytest.mark.parametrize("token", [0, 3])
def test_revert_another_token(drawn: Auditing, claim: Claim, token: int) -> None:
    game = game_about(drawn, claim, WITNESS, token=token).answer()
    with reverts("audits: another token"):
        drawn.contract.expose(game.game_id, game.standing, *last_leaf(game))
