"""Audits.request_data, show, publish, expire_request: what a provider gives nobody, it must
publish."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import boa
import pytest

from assay.core.hashes import OUTPUT_SIDE, PROMPT_SIDE
from assay.core.tokens import TokenList
from tests.support.auditing import WITNESS, Auditing, shown
from tests.support.market import (
    JOB_SALT,
    REQUEST_BOND,
    REWARD_BPS,
    SEAT,
    SLASH,
    Claim,
    Market,
    event,
    reverts,
    toy_model,
)
from tests.support.toy_game import ToyTrace, convict, embedding_claim

PRIVATE = 2


def request(auditing: Auditing, claim: Claim, number: int = 1) -> str:
    place = auditing.place(claim, number=number)
    auditor = auditing.drawn(place)
    auditing.contract.request_data(place, sender=auditor)
    return auditor


def show(auditing: Auditing, claim: Claim, sender: str | None = None) -> None:
    provider = sender or auditing.market.provider
    auditing.contract.show(claim.batch_id, claim.index, shown(claim), sender=provider)


def publish(auditing: Auditing, claim: Claim, tokens: Any, path: Any = ()) -> None:
    auditing.contract.publish(
        claim.batch_id, claim.index, tokens, JOB_SALT, path, sender=auditing.market.provider
    )


def private_claim(market: Market) -> Claim:
    claim = market.claim(data_mode=PRIVATE)
    market.post(claim)
    return claim


def test_default_behavior(drawn: Auditing, claim: Claim) -> None:
    auditor = request(drawn, claim)
    asked = event(drawn.contract, "DataRequested")
    assert (asked.claim_id, asked.auditor) == (claim.claim_id, auditor)
    assert asked.answer_until == drawn.contract.deadline(claim.batch_id, 3)
    assert drawn.assay(auditor) == 0
    show(drawn, claim)
    assert not event(drawn.contract, "ClaimShown").excused
    publish(drawn, claim, claim.prompt.tokens)
    assert event(drawn.contract, "TokensPublished").side == PROMPT_SIDE
    publish(drawn, claim, claim.output.tokens)
    published = event(drawn.contract, "TokensPublished")
    assert (published.side, tuple(published.tokens)) == (OUTPUT_SIDE, claim.output.tokens)
    assert drawn.assay(drawn.market.provider) == REQUEST_BOND
    assert drawn.assay(drawn.contract.address) == 3 * SEAT
    drawn.after(claim, 3)
    with reverts("audits: nobody asks"):
        drawn.contract.expire_request(claim.batch_id, claim.index)


@pytest.mark.parametrize("length", [1, 255, 256, 257, 700])
def test_a_prompt_of_any_length_comes_in_pieces(market: Market, length: int) -> None:
    prompt = TokenList(tuple(7 * i for i in range(length)), JOB_SALT, PROMPT_SIDE)
    claim = market.claim(prompt_root=prompt.root, prompt_tokens=length, max_price=10**9)
    claim = replace(claim, prompt=prompt)
    market.post(claim)
    auditing = Auditing(market)
    auditing.sit()
    auditing.draw()
    request(auditing, claim)
    show(auditing, claim)
    for first in range(0, length, 256):
        piece = prompt.tokens[first : first + 256]
        path = prompt.open(first).path[8:]
        wrong = (*piece[:-1], piece[-1] + 1)
        with reverts("audits: not the claim's tokens"):
            publish(auditing, claim, wrong, path)
        publish(auditing, claim, piece, path)
    publish(auditing, claim, claim.output.tokens)
    assert auditing.assay(market.provider) == REQUEST_BOND


def test_of_an_embedding_the_prompt_is_published(market: Market) -> None:
    claim = embedding_claim(market, ToyTrace(3))
    auditing = Auditing(market)
    auditing.sit()
    auditing.draw()
    request(auditing, claim)
    show(auditing, claim)
    publish(auditing, claim, claim.prompt.tokens)
    assert auditing.assay(market.provider) == REQUEST_BOND


def test_silence_loses_the_claim(drawn: Auditing, claim: Claim) -> None:
    auditor = request(drawn, claim)
    show(drawn, claim)
    publish(drawn, claim, claim.prompt.tokens)
    with reverts("audits: provider has time"):
        drawn.contract.expire_request(claim.batch_id, claim.index)
    drawn.after(claim, 3)
    with reverts("audits: too late"):
        publish(drawn, claim, claim.output.tokens)
    drawn.contract.expire_request(claim.batch_id, claim.index, sender=drawn.market.stranger)
    failed = event(drawn.contract, "ProviderFailed")
    assert (failed.rewarded, failed.reason) == (auditor, "no data")
    assert drawn.market.settlement.status(claim.batch_id, claim.index) == 2
    assert drawn.assay(auditor) == REQUEST_BOND + SLASH * REWARD_BPS // 10_000
    with reverts("audits: nobody asks"):
        drawn.contract.expire_request(claim.batch_id, claim.index)


def test_the_bond_of_a_convicted_claim_comes_back(drawn: Auditing, claim: Claim) -> None:
    auditor = request(drawn, claim)
    convict(drawn.market, claim)
    drawn.after(claim, 3)
    drawn.contract.expire_request(claim.batch_id, claim.index)
    assert drawn.assay(auditor) == REQUEST_BOND


def test_a_private_claim_is_excused(market: Market) -> None:
    claim = private_claim(market)
    auditing = Auditing(market)
    auditing.sit()
    auditing.draw()
    auditor = request(auditing, claim)
    auditing.commit(claim)
    show(auditing, claim)
    assert event(auditing.contract, "ClaimShown").excused
    assert auditing.assay(auditor) == REQUEST_BOND
    with reverts("audits: claim is private"):
        auditing.commit(claim, slot=1)
    auditing.settle(claim)
    auditing.contract.leave_seat(0, sender=auditor)
    auditing.after(claim, 5)
    with reverts("audits: claim is private"):
        auditing.contract.expire_vouch(claim.batch_id, claim.index)
    assert market.settlement.status(claim.batch_id, claim.index) == 0


def test_private_without_a_demand(market: Market) -> None:
    """A provider excuses a claim as soon as somebody has committed to it."""
    claim = private_claim(market)
    auditing = Auditing(market)
    auditing.sit()
    auditing.draw()
    auditing.commit(claim)
    auditing.after(claim, 4)
    with reverts("audits: caller is not the provider"):
        show(auditing, claim, market.stranger)
    show(auditing, claim)
    with reverts("audits: claim is private"):
        auditing.contract.vouch(
            claim.batch_id, claim.index, shown(claim), WITNESS, sender=market.provider
        )


def test_revert_request(drawn: Auditing, claim: Claim) -> None:
    place = drawn.place(claim)
    with reverts("audits: caller is not drawn"):
        drawn.contract.request_data(place, sender=drawn.market.stranger)
    request(drawn, claim)
    with reverts("audits: data is requested"):
        request(drawn, claim)
    show(drawn, claim)
    publish(drawn, claim, claim.prompt.tokens)
    publish(drawn, claim, claim.output.tokens)
    with reverts("audits: data is published"):
        request(drawn, claim)


def test_revert_request_late(drawn: Auditing, claim: Claim) -> None:
    drawn.after(claim, 2)
    with reverts("audits: too late"):
        request(drawn, claim)


def test_revert_request_without_the_bond(drawn: Auditing, claim: Claim) -> None:
    place = drawn.place(claim)
    auditor = drawn.drawn(place)
    drawn.market.bond_token.approve(drawn.contract.address, 0, sender=auditor)
    with reverts("erc20: insufficient allowance"):
        drawn.contract.request_data(place, sender=auditor)


def test_revert_request_seated_after_the_draw(market: Market, claim: Claim) -> None:
    """Who sees the seed cannot sit down where it points."""
    auditing = Auditing(market)
    early = auditing.sit()
    auditing.draw()
    auditing.contract.leave_seat(0, sender=early)
    auditing.sit("late")
    with reverts("audits: seated after the draw"):
        request(auditing, claim)
    with reverts("audits: seated after the draw"):
        auditing.commit(claim)


def test_revert_show(drawn: Auditing, claim: Claim) -> None:
    with reverts("audits: nobody asks"):
        show(drawn, claim)
    request(drawn, claim)
    with reverts("audits: caller is not the provider"):
        show(drawn, claim, drawn.market.stranger)
    other = replace(claim, model=toy_model(vocab_size=7))
    with reverts("settlement: wrong model"):
        show(drawn, other)
    with reverts("audits: claim is not shown"):
        publish(drawn, claim, claim.prompt.tokens)
    show(drawn, claim)
    with reverts("audits: claim is shown"):
        show(drawn, claim)


def test_revert_show_late(drawn: Auditing, claim: Claim) -> None:
    request(drawn, claim)
    drawn.after(claim, 3)
    with reverts("audits: too late"):
        show(drawn, claim)


def test_revert_publish(drawn: Auditing, claim: Claim) -> None:
    with reverts("audits: nobody asks"):
        publish(drawn, claim, claim.prompt.tokens)
    request(drawn, claim)
    show(drawn, claim)
    for tokens, path in (
        (claim.output.tokens, ()),
        (claim.prompt.tokens[:-1], ()),
        ((*claim.prompt.tokens, 0), ()),
        (claim.prompt.tokens, (bytes(32),)),
    ):
        with reverts("audits: not the claim's tokens"):
            publish(drawn, claim, tokens, path)
    assert boa.env.evm.patch.timestamp <= drawn.contract.deadline(claim.batch_id, 3)
