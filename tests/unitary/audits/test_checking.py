"""Audits.commit, vouch, reveal, expire_vouch, settle: who computed is paid, who did not pays."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.auditing import (
    AGREES,
    COMMITTED,
    DISSENTS,
    SALT,
    SETTLED,
    WITNESS,
    Auditing,
    shown,
)
from tests.support.market import (
    PAY_BPS,
    REQUEST_BOND,
    REWARD_BPS,
    SEAT,
    SLASH,
    SLOTS,
    Claim,
    Market,
    deploy_audits,
    event,
    reverts,
    toy_model,
)
from tests.support.toy_game import ToyTrace, convict, embedding_claim, open_game

GUESS = b"\x0e" * 32


def test_default_behavior(drawn: Auditing, claim: Claim) -> None:
    """Two slots, both right: paid when the claim is, a fixed part of what it was paid."""
    market = drawn.market
    auditors = [drawn.commit(claim, slot=slot) for slot in range(SLOTS)]
    committed = event(drawn.contract, "Committed")
    assert (committed.auditor, committed.slot) == (auditors[1], 1)
    drawn.vouch(claim)
    vouched = event(drawn.contract, "Vouched")
    assert (vouched.witness, vouched.token_index) == (WITNESS, 4)
    for slot, auditor in enumerate(auditors):
        assert drawn.state(claim, slot) == COMMITTED
        drawn.reveal(claim, auditor, slot=slot)
        assert event(drawn.contract, "Revealed").agrees
        assert drawn.state(claim, slot) == AGREES
    drawn.after(claim, 8)
    paid = market.finalise(claim)
    assert market.settlement.paid_for(claim.claim_id) == paid > 0
    pay = paid * PAY_BPS // (10_000 * SLOTS)
    for slot in range(SLOTS):
        drawn.settle(claim, slot)
        settled = event(drawn.contract, "Settled")
        assert (settled.auditor, settled.paid, settled.forfeited) == (auditors[slot], pay, False)
        assert drawn.state(claim, slot) == SETTLED
    assert sum(drawn.dollars(auditor) for auditor in set(auditors)) == SLOTS * pay
    for number in range(3):
        drawn.contract.leave_seat(number, sender=drawn.contract.seat(number).auditor)
    assert drawn.assay(drawn.contract.address) == 0


def lazy_entry(drawn: Auditing, claim: Claim) -> str:
    """An auditor that has guessed, found out by the provider's word."""
    lazy = drawn.commit(claim, GUESS)
    drawn.vouch(claim)
    drawn.reveal(claim, lazy, GUESS)
    assert drawn.state(claim) == DISSENTS
    return lazy


def check_forfeited(drawn: Auditing, claim: Claim, lazy: str, supply: int) -> None:
    """The deposit is gone, half of it burned and half with the provider; no pay."""
    forfeited = event(drawn.contract, "SeatForfeited")
    assert (forfeited.auditor, forfeited.burned) == (lazy, SEAT // 2)
    assert event(drawn.contract, "Settled").forfeited
    assert drawn.market.bond_token.totalSupply() == supply - SEAT // 2
    assert drawn.assay(drawn.market.provider) == SEAT // 2
    assert drawn.assay(drawn.contract.address) == 2 * SEAT
    assert (drawn.assay(lazy), drawn.dollars(lazy)) == (REQUEST_BOND, 0)
    seat = drawn.contract.entry(claim.claim_id, 0).seat
    assert drawn.contract.seat(seat).auditor == "0x" + "00" * 20


@pytest.mark.parametrize("end", ["finalised", "abandoned", "left open"])
def test_a_guess_loses_the_seat(drawn: Auditing, claim: Claim, end: str) -> None:
    market, supply = drawn.market, drawn.market.bond_token.totalSupply()
    lazy = lazy_entry(drawn, claim)
    with reverts("audits: too early to settle"):
        drawn.settle(claim)
    drawn.after(claim, 8)
    if end == "finalised":
        market.finalise(claim)
    if end == "abandoned":
        market.settlement.abandon(claim.batch_id, claim.index, sender=market.provider)
    drawn.settle(claim)
    check_forfeited(drawn, claim, lazy, supply)


def test_silence_loses_the_seat(drawn: Auditing, claim: Claim) -> None:
    supply = drawn.market.bond_token.totalSupply()
    lazy = drawn.commit(claim)
    drawn.vouch(claim)
    with reverts("audits: too early to settle"):
        drawn.settle(claim)
    drawn.after(claim, 6)
    with reverts("audits: too late"):
        drawn.reveal(claim, lazy)
    drawn.settle(claim)
    check_forfeited(drawn, claim, lazy, supply)


def test_who_dissents_waits_for_its_game(drawn: Auditing, claim: Claim) -> None:
    """While a game runs about the claim nobody can say who is right."""
    lazy_entry(drawn, claim)
    open_game(drawn.market, claim)
    drawn.after(claim, 8)
    with reverts("audits: a game is open"):
        drawn.settle(claim)


def test_who_dissents_from_a_wrong_claim_keeps_its_seat(drawn: Auditing, claim: Claim) -> None:
    auditor = lazy_entry(drawn, claim)
    convict(drawn.market, claim)
    drawn.settle(claim)
    settled = event(drawn.contract, "Settled")
    assert (settled.paid, settled.forfeited) == (0, False)
    seat = drawn.contract.entry(claim.claim_id, 0).seat
    drawn.contract.leave_seat(seat, sender=auditor)
    assert drawn.assay(auditor) == SEAT + REQUEST_BOND


def test_who_agrees_on_a_wrong_claim_is_not_paid(drawn: Auditing, claim: Claim) -> None:
    auditor = drawn.commit(claim)
    drawn.vouch(claim)
    drawn.reveal(claim, auditor)
    convict(drawn.market, claim)
    drawn.settle(claim)
    settled = event(drawn.contract, "Settled")
    assert (settled.paid, settled.forfeited) == (0, False)


def test_a_provider_that_does_not_vouch_loses_the_claim(drawn: Auditing, claim: Claim) -> None:
    auditor = drawn.commit(claim)
    drawn.after(claim, 4)
    with reverts("audits: provider has time"):
        drawn.contract.expire_vouch(claim.batch_id, claim.index)
    with reverts("audits: too early to settle"):
        drawn.settle(claim)
    drawn.after(claim, 5)
    drawn.contract.expire_vouch(claim.batch_id, claim.index, sender=drawn.market.stranger)
    failed = event(drawn.contract, "ProviderFailed")
    assert (failed.rewarded, failed.reason) == (auditor, "not vouched")
    assert drawn.market.settlement.status(claim.batch_id, claim.index) == 2
    assert drawn.assay(auditor) == REQUEST_BOND + SLASH * REWARD_BPS // 10_000
    with reverts("settlement: claim is not open"):
        drawn.contract.expire_vouch(claim.batch_id, claim.index)
    drawn.settle(claim)
    assert not event(drawn.contract, "Settled").forfeited


def test_a_claim_that_is_never_paid(drawn: Auditing, claim: Claim) -> None:
    """Whoever agreed may go without its pay; nobody else can make it."""
    auditor = drawn.commit(claim)
    drawn.vouch(claim)
    drawn.reveal(claim, auditor)
    drawn.after(claim, 8)
    with reverts("audits: claim is open"):
        drawn.settle(claim)
    drawn.settle(claim, sender=auditor)
    assert event(drawn.contract, "Settled").paid == 0


def test_pay_waits_for_fees(market: Market, claim: Claim) -> None:
    auditing = Auditing(market)
    auditing.sit()
    auditing.draw()
    auditor = auditing.commit(claim)
    auditing.vouch(claim)
    auditing.reveal(claim, auditor)
    auditing.after(claim, 8)
    market.finalise(claim)
    with reverts("audits: fund is too small"):
        auditing.settle(claim)
    auditing.fund(auditing.contract.pay_of(claim.claim_id))
    auditing.settle(claim)
    assert auditing.dollars(auditor) == event(auditing.contract, "Settled").paid > 0
    assert auditing.dollars(auditing.contract.address) == 0


def test_the_provider_may_vouch_for_an_embedding(market: Market) -> None:
    claim = embedding_claim(market, ToyTrace(3))
    auditing = Auditing(market)
    auditing.sit()
    auditing.draw()
    auditing.commit(claim)
    auditing.vouch(claim)
    audit = auditing.contract.audit(claim.claim_id)
    assert (audit.witness_leaves, audit.token_index) == (0, 0)


def test_a_forfeited_seat_ends_no_other_entry(market: Market) -> None:
    """Two entries of one seat: one loses it, the other is settled all the same, whoever sits
    there by then."""
    auditing = Auditing(market)
    claims = [market.claim() for _ in range(2)]
    market.post(*claims)
    lazy = auditing.sit()
    auditing.draw()
    for claim in claims:
        auditing.commit(claim, GUESS)
    for claim in claims:
        auditing.vouch(claim)
    auditing.after(claims[0], 6)
    auditing.settle(claims[0])
    newcomer = auditing.sit("newcomer")
    auditing.settle(claims[1])
    assert not event(auditing.contract, "Settled").forfeited
    assert auditing.contract.seat(0).auditor == newcomer
    auditing.contract.leave_seat(0, sender=newcomer)
    assert auditing.assay(lazy) == REQUEST_BOND
    assert auditing.assay(auditing.contract.address) == 0


def test_revert_commit(drawn: Auditing, claim: Claim) -> None:
    contract, place = drawn.contract, drawn.place(claim)
    auditor = drawn.drawn(place)
    for reason, wrong in {
        "no such claim": (1, claim.batch_id, 3, 0),
        "no such slot": (1, claim.batch_id, claim.index, SLOTS),
        "not in this round": (2, claim.batch_id, claim.index, 0),
    }.items():
        with reverts(f"audits: {reason}"):
            contract.commit(wrong, WITNESS, sender=auditor)
    with reverts("audits: caller is not drawn"):
        contract.commit(place, WITNESS, sender=drawn.market.stranger)
    drawn.commit(claim)
    with reverts("audits: slot is taken"):
        drawn.commit(claim)
    drawn.after(claim, 4)
    with reverts("audits: too late"):
        drawn.commit(claim, slot=1)


def test_revert_commit_not_drawn(market: Market, claim: Claim) -> None:
    audits = deploy_audits(market.economy.contracts, rate_bps=1, pay_bps=1)
    contracts = market.economy.contracts
    kept, contracts["audits"] = market.audits, audits
    try:
        auditing = Auditing(market)
        auditing.sit()
        auditing.draw()
        assert not audits.is_drawn(1, claim.batch_id, claim.index)
        with reverts("audits: not drawn"):
            auditing.commit(claim)
    finally:
        contracts["audits"] = kept


def test_revert_vouch(drawn: Auditing, claim: Claim) -> None:
    def vouch(what: Claim = claim, witness: bytes = WITNESS, sender: str = "") -> None:
        drawn.contract.vouch(
            claim.batch_id, claim.index, shown(what), witness,
            sender=sender or drawn.market.provider,
        )  # fmt: skip

    with reverts("audits: nobody has committed"):
        vouch()
    drawn.commit(claim)
    with reverts("audits: too early"):
        vouch()
    drawn.after(claim, 4)
    with reverts("audits: no witness"):
        vouch(witness=bytes(32))
    with reverts("audits: caller is not the provider"):
        vouch(sender=drawn.market.stranger)
    with reverts("settlement: wrong model"):
        vouch(replace(claim, model=toy_model(vocab_size=7)))
    vouch()
    with reverts("audits: vouched already"):
        vouch()
    with reverts("audits: vouched already"):
        drawn.contract.expire_vouch(claim.batch_id, claim.index)


def test_revert_vouch_late(drawn: Auditing, claim: Claim) -> None:
    with reverts("audits: nobody has committed"):
        drawn.contract.expire_vouch(claim.batch_id, claim.index)
    drawn.commit(claim)
    drawn.after(claim, 5)
    with reverts("audits: too late"):
        drawn.vouch(claim)


def test_revert_reveal(drawn: Auditing, claim: Claim) -> None:
    auditor = drawn.commit(claim)
    with reverts("audits: not vouched"):
        drawn.reveal(claim, auditor)
    drawn.vouch(claim)
    with reverts("audits: caller has not committed"):
        drawn.reveal(claim, drawn.market.stranger)
    with reverts("audits: does not open the commitment"):
        drawn.reveal(claim, auditor, GUESS)
    with reverts("audits: does not open the commitment"):
        drawn.contract.reveal(
            claim.batch_id, claim.index, 0, WITNESS, SALT[::-1][:31] + b"x", sender=auditor
        )
    drawn.reveal(claim, auditor)
    with reverts("audits: revealed already"):
        drawn.reveal(claim, auditor)


def test_revert_settle(drawn: Auditing, claim: Claim) -> None:
    with reverts("audits: nothing to settle"):
        drawn.settle(claim)
    drawn.commit(claim)
    drawn.vouch(claim)
    drawn.after(claim, 6)
    drawn.settle(claim)
    with reverts("audits: nothing to settle"):
        drawn.settle(claim)
