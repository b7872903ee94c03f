"""Settlement.finalise: a claim is paid once, after its window, on the consumer's terms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boa
import pytest
from eth_account import Account

from assay.core.hashes import keccak, model_root
from assay.core.types import Job
from tests.support.market import (
    SLASH,
    WINDOW,
    Claim,
    Market,
    earned,
    event,
    reverts,
    toy_model,
)
from tests.support.toy_game import ToyTrace, convict, embedding_claim, open_game

STRANGER_KEY = Account.from_key(keccak(b"stranger"))
FINALISED = 1

CONTRACT_WALLET = """
# pragma version 0.4.3
accepted: public(bytes32)

@external
def accept(digest: bytes32):
    self.accepted = digest

@view
@external
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> bytes4:
    return 0x1626ba7e if digest == self.accepted else 0xffffffff
"""
"""An ERC-1271 wallet whose owner has accepted one digest."""


def due(market: Market, **claim: Any) -> Claim:
    """A claim whose window is over."""
    stated = market.claim(**claim)
    market.post(stated)
    market.after_window()
    return stated


def refuses(market: Market, claim: Claim, reason: str, *arguments: Any) -> None:
    balance = market.ledger.balance_of(market.consumer)
    with reverts(f"settlement: {reason}"):
        market.settlement.finalise(claim.batch_id, *(arguments or claim.finalisation()))
    assert market.settlement.status(claim.batch_id, claim.index) != FINALISED
    assert market.ledger.balance_of(market.consumer) == balance


def test_an_embedding_is_paid_by_its_prompt(market: Market) -> None:
    """3 prompt tokens at $50 a million; the one output costs nothing."""
    claim = embedding_claim(market, ToyTrace(3))
    market.after_window()
    assert market.finalise(claim) == claim.receipt.price == 150
    assert market.settlement.status(claim.batch_id, claim.index) == FINALISED


def test_revert_more_outputs_than_one_embedding(market: Market) -> None:
    claim = embedding_claim(market, ToyTrace(3), receipt={"output_tokens": 2})
    market.after_window()
    refuses(market, claim, "output too long")


def test_default_behavior(market: Market) -> None:
    """3 prompt tokens at $50, 5 output tokens at $200.000001 a million: 150 + 1000.000005."""
    claim = due(market)
    assert market.finalise(claim) == claim.receipt.price == 1151
    final = event(market.settlement, "ClaimFinalised")
    assert (final.claim_id, final.job_id) == (claim.claim_id, claim.receipt.job_id)
    assert (final.batch_id, final.index) == (claim.batch_id, 0)
    assert (final.consumer, final.provider) == (market.consumer, market.provider)
    assert (final.price, final.paid) == (1151, 1151)
    assert market.settlement.status(claim.batch_id, claim.index) == FINALISED
    assert market.is_paid(claim)
    assert market.ledger.earnings_of(market.provider) == earned(1151)
    assert market.ledger.balance_of(market.consumer) == 1_000_000 - 1151
    assert market.providers.locked(market.provider) == 0
    assert market.providers.bonded(market.provider) == 10 * SLASH


def test_job_id_is_the_digest_that_wallets_sign(market: Market) -> None:
    claim = market.claim()
    assert market.settlement.job_id(claim.job.abi()) == claim.receipt.job_id
    _, name, version, chain, contract, _, _ = market.settlement.eip712Domain()
    assert (name, version, contract) == ("Assay", "1", market.settlement.address)
    assert chain == boa.env.evm.patch.chain_id


@pytest.mark.parametrize(
    ("prompt_price", "output_price", "price"),
    [(0, 0, 0), (1, 0, 1), (333_333, 0, 1), (333_334, 0, 2), (0, 200_000, 1), (0, 200_001, 2)],
)
def test_price_is_rounded_up(
    market: Market, prompt_price: int, output_price: int, price: int
) -> None:
    claim = due(market, price_input=prompt_price, price_output=output_price)
    assert market.settlement.price(claim.job.abi(), 5) == claim.receipt.price == price
    assert market.finalise(claim) == price


def test_extreme_prices(market: Market) -> None:
    job = market.claim(price_input=2**64 - 1, price_output=2**64 - 1, max_price=2**256 - 1).job
    job = replace(job, prompt_tokens=2**32 - 1)
    assert market.settlement.price(job.abi(), 2**32 - 1) == job.price(2**32 - 1)


def test_shortfall_does_not_hold_up_the_claim(market: Market) -> None:
    """The claim is final, the bond released; the rest of the price is the provider's loss."""
    arguments = (b"", market.consumer, market.stranger, 999_000, 0, market.now)
    market.ledger.pay(*arguments, sender=market.settlement.address)
    claim = due(market)
    assert market.finalise(claim) == 1000
    assert event(market.settlement, "ClaimFinalised").price == 1151
    assert market.providers.locked(market.provider) == 0


def test_contract_wallet_signs(market: Market) -> None:
    wallet = boa.loads(CONTRACT_WALLET)
    claim = due(market, consumer=wallet.address)
    refuses(market, claim, "wrong signature")
    wallet.accept(claim.receipt.job_id)
    assert market.finalise(claim) == 0
    assert market.settlement.status(claim.batch_id, claim.index) == FINALISED


def test_after_a_false_challenge(market: Market) -> None:
    claim = market.claim()
    market.post(claim)
    open_game(market, claim).play((2, 1, 3))
    market.after_window()
    market.finalise(claim)
    assert market.settlement.status(claim.batch_id, claim.index) == FINALISED


def test_revert_early(market: Market, claim: Claim) -> None:
    boa.env.time_travel(seconds=WINDOW)
    refuses(market, claim, "window still open")
    boa.env.time_travel(seconds=1)
    market.finalise(claim)


def test_revert_game_open(market: Market, claim: Claim) -> None:
    """However long it takes; a game won by the provider leaves nothing behind."""
    game = open_game(market, claim)
    other = open_game(market, claim, challenger=market.stranger)
    market.after_window()
    refuses(market, claim, "a game is open")
    boa.env.time_travel(seconds=-WINDOW - 1)
    game.play((0, 0, 0))
    market.after_window()
    refuses(market, claim, "a game is open")
    boa.env.time_travel(seconds=-WINDOW - 1)
    other.play((0, 0, 0))
    market.after_window()
    market.finalise(claim)


def test_revert_convicted(market: Market, claim: Claim) -> None:
    convict(market, claim)
    market.after_window()
    refuses(market, claim, "claim is not open")
    assert not market.is_paid(claim)


def test_revert_twice(market: Market) -> None:
    claim = due(market)
    market.finalise(claim)
    with reverts("settlement: job is paid already"):
        market.finalise(claim)


def test_revert_job_paid_in_another_claim(market: Market) -> None:
    """The same receipt in two places: the second is good for nothing but its lock's return."""
    claim = market.claim()
    again = replace(claim)
    market.post(claim, again)
    market.after_window()
    market.finalise(claim)
    refuses(market, again, "job is paid already")
    market.settlement.abandon(again.batch_id, again.index, sender=market.provider)
    assert market.providers.locked(market.provider) == 0


@pytest.mark.parametrize("index", [0, 2, 3, 5, 1 + 2**32, 1 + 2**255, 2**256 - 1])
def test_revert_proof_for_another_place(market: Market, claim: Claim, index: int) -> None:
    market.after_window()
    arguments = (index, *claim.finalisation()[1:])
    refuses(market, claim, "receipt not in the batch", *arguments)


def test_revert_unknown_batch(market: Market, claim: Claim) -> None:
    market.after_window()
    with reverts("settlement: receipt not in the batch"):
        market.settlement.finalise(b"\x42" * 32, *claim.finalisation())


@pytest.mark.parametrize("field", ["job_id", "output_root", "output_tokens", "price"])
def test_revert_receipt_altered_by_one_bit(market: Market, claim: Claim, field: str) -> None:
    market.after_window()
    value = getattr(claim.receipt, field)
    altered = value ^ 1 if isinstance(value, int) else bytes([value[0] ^ 1]) + value[1:]
    receipt = replace(claim.receipt, **{field: altered})
    arguments = (claim.index, receipt.abi(), *claim.finalisation()[2:])
    refuses(market, claim, "receipt not in the batch", *arguments)


@pytest.mark.parametrize("field", Job.__dataclass_fields__)
def test_revert_wrong_job(market: Market, claim: Claim, field: str) -> None:
    market.after_window()
    value = getattr(claim.job, field)
    altered: Any = market.stranger if isinstance(value, str) else None
    if isinstance(value, int):
        altered = value + 1
    elif isinstance(value, bytes):
        altered = bytes([value[0] ^ 1]) + value[1:]
    job = replace(claim.job, **{field: altered})
    arguments = (*claim.finalisation()[:3], job.abi(), claim.signature)
    refuses(market, claim, "wrong job", *arguments)


def test_revert_job_of_another_provider(market: Market) -> None:
    refuses(market, due(market, provider=market.stranger), "job of another provider")


def test_revert_posted_past_the_deadline(market: Market) -> None:
    claim = market.claim()
    boa.env.time_travel(seconds=3601)
    market.post(claim)
    market.after_window()
    refuses(market, claim, "posted past the deadline")


def test_posted_at_the_deadline(market: Market) -> None:
    claim = market.claim()
    boa.env.time_travel(seconds=3600)
    market.post(claim)
    market.after_window()
    assert market.finalise(claim) == 1151


@pytest.mark.parametrize("price", [0, 1150, 1152, 2**256 - 1])
def test_revert_wrong_price(market: Market, price: int) -> None:
    refuses(market, due(market, receipt={"price": price}), "wrong price")


def test_revert_price_above_the_cap(market: Market) -> None:
    refuses(market, due(market, max_price=1150), "price above the cap")
    assert market.finalise(due(market, max_price=1151)) == 1151


def test_revert_no_output(market: Market) -> None:
    refuses(market, due(market, tokens=()), "no output")


def test_revert_output_too_long(market: Market) -> None:
    refuses(market, due(market, max_output_tokens=4), "output too long")


def test_revert_model_never_registered(market: Market) -> None:
    model = toy_model(config_hash=b"\x44" * 32)
    refuses(market, due(market, model=model), "model was not registered")


def test_revert_model_registered_after_the_batch(market: Market) -> None:
    """Nobody could have challenged a claim whose model nobody could know."""
    model = toy_model(config_hash=b"\x44" * 32)
    claim = due(market, model=model)
    market.models.register(model.abi())
    assert market.models.registered_at(model_root(model)) > 0
    refuses(market, claim, "model was not registered")


def test_revert_wrong_signer(market: Market) -> None:
    refuses(market, due(market, signer=STRANGER_KEY), "wrong signature")


@pytest.mark.parametrize(
    "signature", [b"", b"\x01" * 63, b"\x01" * 64, b"\x01" * 64 + b"\x1b"], ids=len
)
def test_revert_malformed_signature(market: Market, claim: Claim, signature: bytes) -> None:
    market.after_window()
    arguments = (*claim.finalisation()[:4], signature)
    refuses(market, claim, "wrong signature", *arguments)


def test_revert_impossible_signature(market: Market, claim: Claim) -> None:
    market.after_window()
    with reverts("ecdsa: invalid signature"):
        market.settlement.finalise(claim.batch_id, *claim.finalisation()[:4], bytes(65))


def test_revert_nobody_signs_for_the_zero_address(market: Market) -> None:
    """A malformed signature recovers to the zero address."""
    claim = due(market, consumer="0x" + "00" * 20)
    arguments = (*claim.finalisation()[:4], b"")
    refuses(market, claim, "wrong signature", *arguments)


def test_revert_window_cannot_be_outrun_by_conviction_elsewhere(market: Market) -> None:
    """A conviction of one claim says nothing about its neighbours in the batch."""
    claims = [market.claim(), market.claim()]
    market.post(*claims)
    convict(market, claims[0])
    market.after_window()
    assert market.finalise(claims[1]) == 1151
    refuses(market, claims[0], "claim is not open")


def test_provider_that_lied_can_still_answer_the_job_rightly(market: Market) -> None:
    """A convicted claim has not used up its job."""
    wrong = market.claim()
    market.post(wrong)
    lie = (0, 0, 1)
    open_game(market, wrong, ToyTrace(4, {lie: 1})).play(lie)
    right = replace(wrong)
    market.post(right)
    market.after_window()
    assert market.finalise(right) == 1151


def test_one_payment_a_nonce(market: Market) -> None:
    """Another job of the same nonce between the two: what was signed is not what is paid."""
    nonce = b"\x09" * 32
    first, second = market.claim(nonce=nonce), market.claim(nonce=nonce, max_output_tokens=7)
    assert first.receipt.job_id != second.receipt.job_id
    market.post(first, second)
    market.after_window()
    assert not market.is_paid(second)
    market.finalise(first)
    assert market.is_paid(second)
    refuses(market, second, "job is paid already")


@pytest.mark.parametrize("step", [1, 2, 255, 256, 2**128])
def test_other_nonces_are_others(market: Market, step: int) -> None:
    """In the same word or in another one."""
    first = market.claim(nonce=bytes(32))
    second = market.claim(nonce=step.to_bytes(32, "big"))
    market.post(first, second)
    market.after_window()
    market.finalise(first)
    assert not market.is_paid(second)
    market.finalise(second)
    assert market.is_paid(first) and market.is_paid(second)


def test_nonces_of_another_provider_are_others(market: Market) -> None:
    claim = due(market)
    market.finalise(claim)
    job = claim.job
    assert market.settlement.paid(job.consumer, job.provider, job.nonce)
    assert not market.settlement.paid(job.consumer, market.stranger, job.nonce)
    assert not market.settlement.paid(market.stranger, job.provider, job.nonce)
