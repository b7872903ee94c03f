"""DisputeGame.open: who may challenge what, until when, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boa
import pytest
from eth_abi.abi import encode

from assay.chain.record import GameRecord, Record
from assay.core.hashes import keccak
from assay.core.types import Job, Pass, Receipt
from tests.support.market import (
    BOND,
    CLOCK,
    SLASH,
    WINDOW,
    Claim,
    Market,
    event,
    reverts,
    toy_model,
)
from tests.support.toy_game import ANSWER, ToyGame, convict, left_at, open_game


def opens(market: Market, arguments: tuple[Any, ...]) -> bytes:
    return bytes(market.game.open(*arguments, sender=market.fund_challenger()))


def refuses(market: Market, claim: Claim, reason: str, arguments: tuple[Any, ...]) -> None:
    challenger = market.fund_challenger(boa.env.generate_address("challenger"))
    with reverts(reason):
        market.game.open(*arguments, sender=challenger)
    assert market.game.open_games(claim.claim_id) == 0
    assert market.bond_token.balanceOf(challenger) == BOND


def test_default_behavior(market: Market, claim: Claim) -> None:
    game_id = opens(market, claim.opening(2))
    opened = event(market.game, "GameOpened")
    left = left_at(market.game, game_id)
    assert left is not None
    record = GameRecord.of(Record(*left), market.challenger)

    terms = Pass.of(claim.model, claim.job, claim.receipt, 2).abi()
    encoded = encode([Pass.ABI, "(uint32,uint32[])"], [terms, (8, [49, 48])])
    assert record.terms == keccak(encoded)
    assert (record.batch_id, record.index, record.token_index) == (claim.batch_id, 1, 2)
    assert (record.challenger, record.provider) == (market.challenger, market.provider)
    assert (record.verifier, record.phase, record.outcome) == (market.verifier.address, ANSWER, 0)
    assert (record.provider_left, record.challenger_left) == (CLOCK, CLOCK)
    assert record.turn_started == market.now

    assert (opened.game_id, opened.claim_id) == (game_id, claim.claim_id)
    assert (opened.challenger, opened.provider) == (market.challenger, market.provider)
    assert (opened.batch_id, opened.index, opened.token_index) == (claim.batch_id, 1, 2)
    assert (opened.job_id, opened.verifier) == (claim.receipt.job_id, market.verifier.address)

    assert market.game.standing(game_id) == Record(*left).hash
    assert market.game.open_games(claim.claim_id) == 1
    assert market.bond_token.balanceOf(market.game.address) == BOND
    assert market.bond_token.balanceOf(market.challenger) == 0


def test_id_commits_to_content(market: Market, claim: Claim) -> None:
    salt = b"\x09" * 32
    game_id = opens(market, claim.opening(2, salt))
    chain = boa.env.evm.patch.chain_id
    content = [chain, market.game.address, claim.claim_id, 2, market.challenger, salt]
    types = ["uint256", "address", "bytes32", "uint32", "address", "bytes32"]
    assert game_id == keccak(encode(types, content))
    assert game_id == market.game.game_id(claim.claim_id, 2, market.challenger, salt)


def test_until_the_window_ends(market: Market, claim: Claim) -> None:
    boa.env.time_travel(seconds=WINDOW)
    assert market.now == market.settlement.challenge_until(claim.batch_id)
    opens(market, claim.opening())
    assert market.game.open_games(claim.claim_id) == 1


def test_many_games_against_one_claim(market: Market, claim: Claim) -> None:
    ids = {opens(market, claim.opening(t, bytes([salt]) * 32)) for t in (0, 1) for salt in (0, 1)}
    ids.add(open_game(market, claim, challenger=market.stranger).game_id)
    assert len(ids) == market.game.open_games(claim.claim_id) == 5
    assert market.bond_token.balanceOf(market.game.address) == 5 * BOND


def test_claim_of_no_output_can_be_challenged(market: Market) -> None:
    """Nothing payable or slashable is beyond challenge."""
    claim = market.claim(tokens=())
    market.post(claim)
    opens(market, claim.opening(0))
    assert market.game.open_games(claim.claim_id) == 1


def test_revert_no_such_batch(market: Market, claim: Claim) -> None:
    arguments = (b"\x66" * 32, *claim.opening()[1:])
    refuses(market, claim, "settlement: no such batch", arguments)


def test_revert_after_the_window(market: Market, claim: Claim) -> None:
    market.after_window()
    refuses(market, claim, "settlement: window is over", claim.opening())


@pytest.mark.parametrize("index", [0, 2, 3, 5, 1 + 2**32, 1 + 2**255, 2**256 - 1])
def test_revert_proof_for_another_place(market: Market, claim: Claim, index: int) -> None:
    """Also beyond the batch, where the path of claim 1 leads to the same root."""
    arguments = (claim.batch_id, index, *claim.opening()[2:])
    refuses(market, claim, "settlement: receipt not in the batch", arguments)


def test_revert_inner_node_as_leaf(market: Market, claim: Claim) -> None:
    """A proof cut short, or made longer, fits nothing."""
    for proof in (claim.proof[1:], (*claim.proof, bytes(32)), ()):
        arguments = claim.opening()
        refuses(
            market,
            claim,
            "settlement: receipt not in the batch",
            (*arguments[:3], proof, *arguments[4:]),
        )


@pytest.mark.parametrize("field", ["job_id", "output_root", "output_tokens", "price"])
def test_revert_receipt_altered_by_one_bit(market: Market, claim: Claim, field: str) -> None:
    value = getattr(claim.receipt, field)
    altered = value ^ 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    receipt: Receipt = replace(claim.receipt, **{field: altered})
    arguments = (*claim.opening()[:2], receipt.abi(), *claim.opening()[3:])
    refuses(market, claim, "settlement: receipt not in the batch", arguments)


@pytest.mark.parametrize("field", Job.__dataclass_fields__)
def test_revert_wrong_job(market: Market, claim: Claim, field: str) -> None:
    """Every field of the job is in its id."""
    value = getattr(claim.job, field)
    altered: Any = market.stranger if isinstance(value, str) else None
    if isinstance(value, int):
        altered = value + 1
    elif isinstance(value, bytes):
        altered = bytes([value[0] ^ 1]) + value[1:]
    job = replace(claim.job, **{field: altered})
    arguments = (*claim.opening()[:4], job.abi(), *claim.opening()[5:])
    refuses(market, claim, "settlement: wrong job", arguments)


def test_revert_wrong_model(market: Market, claim: Claim) -> None:
    model = toy_model(vocab_size=51)
    arguments = (*claim.opening()[:5], model.abi(), *claim.opening()[6:])
    refuses(market, claim, "settlement: wrong model", arguments)


def test_revert_unregistered_model(market: Market) -> None:
    claim = market.claim(model=toy_model(config_hash=b"\x44" * 32))
    market.post(claim)
    refuses(market, claim, "settlement: model is not registered", claim.opening())


@pytest.mark.parametrize("token_index", [5, 6, 2**32 - 1])
def test_revert_no_such_token(market: Market, claim: Claim, token_index: int) -> None:
    refuses(market, claim, "settlement: no such token", claim.opening(token_index))


def test_revert_game_exists(market: Market, game: ToyGame, claim: Claim) -> None:
    market.fund_challenger()
    with reverts("dispute_game: game exists"):
        market.game.open(*claim.opening(1), sender=market.challenger)
    assert market.game.open_games(claim.claim_id) == 1


def test_revert_game_exists_though_it_is_over(market: Market, claim: Claim) -> None:
    game = open_game(market, claim).play((0, 0, 0))
    market.fund_challenger()
    with reverts("dispute_game: game exists"):
        market.game.open(*claim.opening(1), sender=game.challenger)


def test_revert_claim_is_convicted(market: Market, claim: Claim) -> None:
    convict(market, claim)
    refuses(market, claim, "dispute_game: claim is convicted", claim.opening())
    assert market.providers.bonded(market.provider) == 9 * SLASH


def test_revert_no_bond(market: Market, claim: Claim) -> None:
    market.fund_challenger(amount=BOND - 1)
    with reverts("erc20: insufficient allowance"):
        market.game.open(*claim.opening(), sender=market.challenger)
    market.bond_token.approve(market.game.address, BOND, sender=market.challenger)
    with reverts("erc20: transfer amount exceeds balance"):
        market.game.open(*claim.opening(), sender=market.challenger)
    assert market.game.open_games(claim.claim_id) == 0
