"""DisputeGame.answer: the trace root, and the form of the output around the disputed token."""

from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode

from assay.core.hashes import keccak
from assay.core.types import EMPTY_TOKEN, Pass
from tests.support.market import CONTEXT, EOS, STEPS, VOCABULARY, Market, event
from tests.support.toy_game import PICK_NODE, ToyGame, ToyTrace, open_game


def game_about(market: Market, token_index: int, **claim: Any) -> ToyGame:
    stated = market.claim(**claim)
    market.post(stated)
    trace = ToyTrace(min(max(stated.job.prompt_tokens + token_index, 1), CONTEXT))
    return open_game(market, stated, trace, token_index)


def unanswerable(game: ToyGame, reason: str, **changes: Any) -> None:
    arguments = dict(
        zip(
            ("pass_", "ending", "children", "token", "previous"),
            game.answer_arguments(),
            strict=True,
        )
    )
    game.refuses(reason, "answer", *(arguments | changes).values())


def answered(game: ToyGame, token_index: int) -> None:
    """The answer is taken: it is the challenger's turn, over the right pass."""
    game.answer()
    assert game.record.phase == PICK_NODE
    assert game.record.token_index == token_index
    assert game.record.trace_root == game.trace.root


def test_default_behavior(market: Market, game: ToyGame) -> None:
    game.answer()
    answered = event(market.game, "Answered")
    record = game.record
    assert record.phase == PICK_NODE
    assert record.trace_root == record.node == answered.trace_root == game.trace.root
    assert record.terms == keccak(encode([Pass.ABI], [game.terms.abi()]))
    assert (record.node_index, record.depth_left, record.leaf_count) == (0, 7, len(STEPS))
    assert not record.step_known
    assert answered.token == 4
    assert answered.pass_.positions == 4
    assert list(answered.children) == game.trace.steps_tree.children(0, 0, 4)


@pytest.mark.parametrize("token_index", [0, 1, 4])
def test_any_token(market: Market, token_index: int) -> None:
    answered(game_about(market, token_index), token_index)


@pytest.mark.parametrize("tokens", [(EOS,), (3,), (3, 4, 5, 6, 7, 8, 9, 10), (3, 48)])
def test_any_proper_ending(market: Market, tokens: tuple[int, ...]) -> None:
    """An end token, or all the tokens that the job asks for."""
    limit = 8 if tokens[-1] >= 48 else len(tokens)
    index = len(tokens) - 1
    answered(game_about(market, index, tokens=tokens, max_output_tokens=limit), index)


def test_context_bounds_the_output(market: Market) -> None:
    """3 prompt tokens leave room for 29; an output that fills it needs no end token."""
    tokens = (7,) * 29
    answered(game_about(market, 28, tokens=tokens, max_output_tokens=100), 28)


def test_revert_output_beyond_the_context(market: Market) -> None:
    game = game_about(market, 29, tokens=(7,) * 30, max_output_tokens=100)
    unanswerable(game, "claim: wrong output length")


def test_revert_prompt_that_fills_the_context(market: Market) -> None:
    for prompt_tokens in (32, 33, 2**32 - 1):
        game = game_about(market, 0, prompt_tokens=prompt_tokens, max_price=10**20)
        unanswerable(game, "claim: wrong output length")


def test_revert_empty_prompt(market: Market) -> None:
    unanswerable(game_about(market, 0, prompt_tokens=0), "claim: empty prompt")


def test_revert_no_output(market: Market) -> None:
    """There is no token 0 to open, but the claim can be challenged there, and is lost."""
    game = game_about(market, 0, tokens=())
    children = game.trace.steps_tree.children(0, 0, 4)
    arguments = [game.terms.abi(), game.ending, children, EMPTY_TOKEN.abi(), EMPTY_TOKEN.abi()]
    game.refuses("claim: wrong output length", "answer", *arguments)


def test_revert_output_too_long(market: Market) -> None:
    game = game_about(market, 0, tokens=(1, 2, 3), max_output_tokens=2)
    unanswerable(game, "claim: wrong output length")


def test_revert_output_cut_short(market: Market) -> None:
    """Five of eight tokens, and the last is no end token."""
    game = game_about(market, 4, tokens=(1, 2, 3, 4, 5))
    unanswerable(game, "claim: output is cut short")


def test_revert_output_runs_past_its_end(market: Market) -> None:
    game = game_about(market, 2, tokens=(1, EOS, 3, EOS))
    unanswerable(game, "claim: output runs past its end")


def test_end_token_before_the_previous_is_another_games(market: Market) -> None:
    """The first token after the end is the one to challenge."""
    game_about(market, 3, tokens=(1, EOS, 3, EOS)).answer()


@pytest.mark.parametrize("stated", [4, 6])
def test_revert_wrong_token_count(market: Market, stated: int) -> None:
    """The output root binds the number of tokens; five are in it."""
    game = game_about(market, 1, receipt={"output_tokens": stated})
    unanswerable(game, "claim: token does not open")


def test_revert_token_outside_the_vocabulary(market: Market) -> None:
    game = game_about(market, 1, tokens=(1, VOCABULARY, EOS))
    unanswerable(game, "claim: token outside the vocabulary")


@pytest.mark.parametrize("index", [0, 2, 4])
def test_revert_token_of_another_place(game: ToyGame, index: int) -> None:
    token = game.claim.output.open(index).abi()
    unanswerable(game, "claim: token does not open", token=token)


def test_revert_altered_token(game: ToyGame) -> None:
    token = game.claim.output.open(1)
    for altered in (
        (token.token ^ 1, token.salt, token.path),
        (token.token, bytes(32), token.path),
        (token.token, token.salt, token.path[1:]),
        (token.token, token.salt, (*token.path, bytes(32))),
    ):
        unanswerable(game, "claim: token does not open", token=altered)


def test_revert_previous_token_of_another_place(game: ToyGame) -> None:
    previous = game.claim.output.open(2).abi()
    unanswerable(game, "claim: previous token does not open", previous=previous)


@pytest.mark.parametrize("field", range(17))
def test_revert_altered_pass(game: ToyGame, field: int) -> None:
    terms = list(game.terms.abi())
    terms[field] = terms[field] ^ 1 if isinstance(terms[field], int) else b"\x99" * 32
    unanswerable(game, "dispute_game: wrong terms", pass_=tuple(terms))


@pytest.mark.parametrize("ending", [(7, [49, 48]), (8, [49]), (8, [48, 49]), (8, [49, 48, 4])])
def test_revert_altered_ending(game: ToyGame, ending: tuple[int, list[int]]) -> None:
    unanswerable(game, "dispute_game: wrong terms", ending=ending)


@pytest.mark.parametrize("count", [0, 1, 8, 15, 17, 32, 64])
def test_revert_wrong_number_of_children(game: ToyGame, count: int) -> None:
    unanswerable(game, "dispute_game: malformed row", children=[bytes(32)] * count)
