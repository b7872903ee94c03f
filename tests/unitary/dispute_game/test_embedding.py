"""Games about an embedding: the answer ties the output to the trace's last step, the walk does the
rest. One output, no token to challenge, and nothing of it is read as a list of tokens.
"""

from __future__ import annotations

from typing import Any

import boa
import pytest

from assay.core.hashes import OUTPUT_SIDE, embedding_root
from assay.core.tokens import TokenList
from assay.core.types import EMPTY_TOKEN, NONE, TokenOpening
from tests.support.market import CONTEXT, JOB_SALT, SLASH, STEPS, Claim, Market, event, toy_model
from tests.support.toy_game import (
    CHALLENGER_WON,
    PICK_NODE,
    PROVIDER_WON,
    ToyGame,
    ToyTrace,
    embedding_claim,
    open_game,
)

LAST = len(STEPS) - 1
PROMPT = 3


def game_about(market: Market, trace: ToyTrace | None = None, **claim: Any) -> ToyGame:
    """A game about the embedding that an honest trace has, over `trace`."""
    stated = embedding_claim(market, ToyTrace(PROMPT), **claim)
    return open_game(market, stated, trace or ToyTrace(PROMPT), token_index=0)


def unanswerable(game: ToyGame, reason: str, **changes: Any) -> None:
    """The answer reverts, and the claim is lost once the provider's time is over."""
    names = ("pass_", "ending", "children", "token", "previous")
    arguments = dict(zip(names, game.answer_arguments(), strict=True))
    game.refuses(reason, "answer", *(arguments | changes).values())


def convicts_by_the_clock(game: ToyGame) -> None:
    boa.env.time_travel(seconds=10_000)
    game.timeout()
    assert game.record.outcome == CHALLENGER_WON
    assert game.market.providers.bonded(game.market.provider) == 9 * SLASH


def test_default_behavior(market: Market) -> None:
    game = game_about(market).answer()
    answered = event(market.game, "Answered")
    assert game.phase == PICK_NODE
    assert game.record.trace_root == answered.trace_root == game.trace.root
    assert answered.pass_.positions == answered.pass_.prompt_tokens == PROMPT
    assert answered.pass_.gumbel_table == NONE


@pytest.mark.parametrize("place", [(LAST, 2, 699), (40, 0, 1), (0, 0, 0)])
def test_one_wrong_element_convicts(market: Market, place: tuple[int, int, int]) -> None:
    """Of the embedding itself, or of a step before it."""
    trace = ToyTrace(PROMPT, {place: 1})
    claim = embedding_claim(market, trace)
    game = open_game(market, claim, trace, token_index=0).play(place)
    assert game.record.outcome == CHALLENGER_WON
    assert market.providers.bonded(market.provider) == 9 * SLASH
    assert market.settlement.status(claim.batch_id, claim.index) == 2


def test_a_false_challenge_loses(market: Market) -> None:
    game = game_about(market).play((LAST, 1, 5))
    assert game.record.outcome == PROVIDER_WON
    assert market.providers.bonded(market.provider) == 10 * SLASH


def test_a_prompt_that_fills_the_context(market: Market) -> None:
    """An embedding takes no position."""
    full = ToyTrace(CONTEXT)
    prompt = TokenList(range(1, CONTEXT + 1), JOB_SALT, 0)
    changes = {"prompt_root": prompt.root, "prompt_tokens": CONTEXT}
    claim = embedding_claim(market, full, **changes)
    claim.prompt = prompt
    open_game(market, claim, full, token_index=0).answer()


@pytest.mark.parametrize("prompt_tokens", [CONTEXT + 1, 2**32 - 1])
def test_revert_prompt_beyond_the_context(market: Market, prompt_tokens: int) -> None:
    game = game_about(market, prompt_tokens=prompt_tokens, max_price=10**20)
    unanswerable(game, "claim: wrong output length")
    convicts_by_the_clock(game)


def test_revert_empty_prompt(market: Market) -> None:
    unanswerable(game_about(market, prompt_tokens=0), "claim: empty prompt")


@pytest.mark.parametrize("count", [0, 2, 2**32 - 1])
def test_revert_another_number_of_outputs(market: Market, count: int) -> None:
    """Even where the job allows more: an embedding is one."""
    game = game_about(market, receipt={"output_tokens": count}, max_output_tokens=2**32 - 1)
    unanswerable(game, "claim: wrong output length")
    convicts_by_the_clock(game)


def test_revert_no_output_was_asked_for(market: Market) -> None:
    unanswerable(game_about(market, max_output_tokens=0), "claim: wrong output length")


def test_revert_output_of_another_step(market: Market) -> None:
    """Right, and in the trace, but not the model's output."""
    trace = ToyTrace(PROMPT)
    claim = embedding_claim(market, trace, step=65)
    game = open_game(market, claim, trace, token_index=0)
    unanswerable(game, "claim: embedding does not open")
    tree = trace.steps_tree
    other = TokenOpening(0, tree.at(tree.depth, 65), tree.path(65))
    unanswerable(game, "claim: not the last step's output", previous=other.abi())
    convicts_by_the_clock(game)


def test_revert_unbound_root(market: Market) -> None:
    game = game_about(market, receipt={"output_root": b"\x77" * 32})
    unanswerable(game, "claim: embedding does not open")
    convicts_by_the_clock(game)


def test_revert_another_trace(market: Market) -> None:
    """The claim's element is wrong, the trace right: they do not fit."""
    lie = ToyTrace(PROMPT, {(LAST, 0, 0): 1})
    claim = embedding_claim(market, lie)
    game = open_game(market, claim, ToyTrace(PROMPT), token_index=0)
    unanswerable(game, "claim: embedding does not open")
    tree = lie.steps_tree
    leaf = TokenOpening(0, tree.at(tree.depth, LAST), tree.path(LAST))
    unanswerable(game, "claim: not the last step's output", previous=leaf.abi())


def test_revert_leaf_at_another_depth(market: Market) -> None:
    """No inner node passes for the last step's leaf."""
    game = game_about(market)
    tree = game.trace.steps_tree
    leaf, path = tree.at(tree.depth, LAST), tree.path(LAST)
    for longer_or_shorter in (path[1:], (*path, bytes(32)), ()):
        opening = TokenOpening(0, leaf, longer_or_shorter)
        unanswerable(game, "claim: wrong path length", previous=opening.abi())


def test_revert_salt_of_another_token(market: Market) -> None:
    """Else a provider could choose the salt, and nobody could tell a wrong root from a right."""
    game = game_about(market)
    first = game.claim.prompt.open(0)
    for opening in (
        game.claim.prompt.open(1),
        TokenOpening(first.token, bytes(32), first.path),
        TokenOpening(first.token ^ 1, first.salt, first.path),
        TokenOpening(first.token, first.salt, first.path[1:]),
        EMPTY_TOKEN,
    ):
        unanswerable(game, "claim: first prompt token does not open", token=opening.abi())


def test_revert_chosen_salt(market: Market) -> None:
    leaf = ToyTrace(PROMPT).commitment(LAST)
    game = game_about(market, receipt={"output_root": embedding_root(bytes(32), leaf)})
    unanswerable(game, "claim: embedding does not open")


def test_revert_tokens_for_an_embedding(market: Market) -> None:
    """A list of tokens is no output of such a model."""
    tokens = TokenList((7,), JOB_SALT, OUTPUT_SIDE)
    game = game_about(market, receipt={"output_root": tokens.root})
    unanswerable(game, "claim: first prompt token does not open", token=tokens.open(0).abi())
    unanswerable(game, "claim: embedding does not open")


def test_revert_an_embedding_for_tokens(market: Market, claim: Claim) -> None:
    """Nor an embedding of a model that draws tokens."""
    trace = ToyTrace(PROMPT)
    root = embedding_root(claim.prompt.open(0).salt, trace.commitment(LAST))
    stated = market.claim(tokens=(7,), max_output_tokens=1, receipt={"output_root": root})
    market.post(stated)
    game = open_game(market, stated, trace, token_index=0)
    tree = trace.steps_tree
    leaf = TokenOpening(0, tree.at(tree.depth, LAST), tree.path(LAST))
    first = stated.prompt.open(0)
    unanswerable(game, "claim: token does not open", token=first.abi(), previous=leaf.abi())


def test_revert_a_rival_of_an_embedding(market: Market) -> None:
    """No provider could prove a token that its claim does not have."""
    game = game_about(market).answer()
    for rival in (0, 1, NONE):
        arguments = (game.terms.abi(), rival)
        game.refuses("dispute_game: no such token", "challenge_sample", *arguments)


def test_the_terms_say_what_kind(market: Market) -> None:
    """A pass with a noise table is not the game's."""
    game = game_about(market)
    terms = list(game.terms.abi())
    terms[-1] = 0
    unanswerable(game, "dispute_game: wrong terms", pass_=tuple(terms))
    assert toy_model().embeds is False
