"""What somebody might try on the audits, and what it costs or earns."""

from __future__ import annotations

import boa
import pytest

from tests.support.auditing import SALT, WITNESS, Auditing, header, pass_blocks, shown
from tests.support.market import (
    PAY_BPS,
    REQUEST_BOND,
    REWARD_BPS,
    SEAT,
    SEED_DELAY,
    SLASH,
    SLOTS,
    STEPS,
    WINDOW,
    Claim,
    Market,
    deploy_audits,
    event,
    reverts,
)
from tests.support.toy_game import open_game

GUESS = b"\x66" * 32


@pytest.mark.parametrize("lazy", ["copies", "guesses", "opens nothing"])
def test_a_lazy_auditor_earns_nothing_and_loses_its_deposit(
    drawn: Auditing, claim: Claim, lazy: str
) -> None:
    """None of the three has computed; beside it an honest auditor is paid for the same claim."""
    honest = drawn.commit(claim)
    seal = drawn.contract.entry(claim.claim_id, 0).commitment
    place = drawn.place(claim, slot=1)
    auditor, supply = drawn.drawn(place), drawn.market.bond_token.totalSupply()
    if lazy == "guesses":
        seal = drawn.seal(claim, auditor, GUESS, slot=1)
    drawn.contract.commit(place, seal, sender=auditor)
    drawn.vouch(claim)
    drawn.reveal(claim, honest)
    if lazy == "copies":  # what was copied, and what is public by now
        for witness in (WITNESS, GUESS):
            with reverts("audits: does not open the commitment"):
                drawn.reveal(claim, auditor, witness, slot=1)
    elif lazy == "guesses":
        drawn.reveal(claim, auditor, GUESS, slot=1)
    drawn.after(claim, 8)
    drawn.market.finalise(claim)
    held, dollars = drawn.assay(drawn.market.provider), drawn.dollars(auditor)
    drawn.settle(claim, slot=1)
    assert event(drawn.contract, "Settled").forfeited
    assert event(drawn.contract, "Settled").paid == 0
    assert drawn.dollars(auditor) == dollars == 0
    assert drawn.drawn(place) != auditor
    assert drawn.assay(auditor) == REQUEST_BOND  # what it had besides its deposit
    assert supply - drawn.market.bond_token.totalSupply() == SEAT // 2
    assert drawn.assay(drawn.market.provider) - held == SEAT - SEAT // 2
    drawn.settle(claim)
    assert event(drawn.contract, "Settled").paid > 0


def test_the_providers_word_comes_after_the_last_commitment(drawn: Auditing, claim: Claim) -> None:
    """No second in which a witness is public and can still be committed to."""
    drawn.commit(claim)
    boa.env.time_travel(
        seconds=drawn.contract.deadline(claim.batch_id, 4) - boa.env.evm.patch.timestamp
    )
    with reverts("audits: too early"):
        drawn.contract.vouch(
            claim.batch_id, claim.index, shown(claim), WITNESS, sender=drawn.market.provider
        )
    boa.env.time_travel(seconds=1)
    drawn.vouch(claim)
    with reverts("audits: too late"):
        drawn.commit(claim, slot=1)


def test_nobody_reveals_for_another(drawn: Auditing, claim: Claim) -> None:
    drawn.commit(claim)
    drawn.vouch(claim)
    with reverts("audits: caller has not committed"):
        drawn.contract.reveal(
            claim.batch_id, claim.index, 0, WITNESS, SALT, sender=drawn.market.provider
        )


@pytest.mark.parametrize("grinds", [1, 50])
def test_whoever_builds_the_block_chooses_no_seed(auditing: Auditing, grinds: int) -> None:
    """Every field that a builder chooses leaves the seed as it is; only the hash changes."""
    seeds = set()
    for nonce in range(grinds):
        with boa.env.anchor():
            auditing.draw(header(extra=nonce.to_bytes(4, "big")))
            seeds.add(bytes(auditing.contract.round(1).seed))
    assert len(seeds) == 1
    auditing.draw(header(b"\x22" * 32))
    assert bytes(auditing.contract.round(1).seed) not in seeds


def test_a_seed_cannot_be_drawn_again(auditing: Auditing, claim: Claim) -> None:
    """Once anybody has fixed it, no later round covers the claim."""
    auditing.draw()
    boa.env.time_travel(seconds=1)
    auditing.contract.begin_round()
    pass_blocks(SEED_DELAY + 1, header(b"\x22" * 32))
    auditing.contract.fix_seed(header(b"\x22" * 32))
    assert auditing.contract.covers(1, claim.batch_id)
    assert not auditing.contract.covers(2, claim.batch_id)


def test_seats_taken_at_the_sight_of_the_round_are_not_drawn(
    auditing: Auditing, claim: Claim
) -> None:
    """A provider that fills the room once the round has begun audits none of its claims."""
    boa.env.time_travel(seconds=WINDOW // 8)
    auditing.contract.begin_round()
    puppets = {auditing.sit(f"puppet {i}") for i in range(9)}
    pass_blocks(SEED_DELAY + 1, header())
    auditing.contract.fix_seed(header())
    for slot in range(SLOTS):
        assert auditing.drawn(auditing.place(claim, slot)) not in puppets


def test_puppets_that_audit_their_own_provider_lose_money(market: Market) -> None:
    """All seats, all claims, and still the fees are more than the pay: per dollar of claims the
    ledger keeps its fee, of which the audits get a fifth and pay out `pay_bps` at most."""
    claim = market.claim()
    market.post(claim)
    audits = Auditing(market)
    puppet = audits.sit()
    audits.draw()
    for slot in range(SLOTS):
        audits.commit(claim, slot=slot)
    audits.vouch(claim)
    for slot in range(SLOTS):
        audits.reveal(claim, puppet, slot=slot)
    audits.after(claim, 8)
    paid = market.finalise(claim)
    fees = paid - market.ledger.earnings_of(market.provider)
    audits.fund(paid)
    for slot in range(SLOTS):
        audits.settle(claim, slot)
    assert audits.dollars(puppet) == SLOTS * (paid * PAY_BPS // (10_000 * SLOTS))
    standard = paid * 100 // 10_000  # parameters.audit_pay_bps of it, on average
    assert standard < fees


def test_pay_follows_what_was_paid_not_what_was_signed(market: Market) -> None:
    """A puppet consumer without money signs any price; its claim pays nothing, and no auditor."""
    poor = market.claim(price_output=10**12, max_price=10**9)
    market.post(poor)
    auditing = Auditing(market)
    puppet = auditing.sit()
    auditing.draw()
    auditing.commit(poor)
    auditing.vouch(poor)
    auditing.reveal(poor, puppet)
    auditing.after(poor, 8)
    market.finalise(poor)
    assert poor.receipt.price > 1_000_000
    assert auditing.contract.pay_of(poor.claim_id) <= 1_000_000 * PAY_BPS // (10_000 * SLOTS)


def test_demanding_for_fun_feeds_the_provider(drawn: Auditing, claim: Claim) -> None:
    place = drawn.place(claim)
    spammer = drawn.drawn(place)
    drawn.contract.request_data(place, sender=spammer)
    drawn.contract.show(claim.batch_id, claim.index, shown(claim), sender=drawn.market.provider)
    for tokens in (claim.prompt.tokens, claim.output.tokens):
        drawn.contract.publish(
            claim.batch_id, claim.index, tokens, b"\x07" * 32, [], sender=drawn.market.provider
        )
    assert drawn.assay(drawn.market.provider) == REQUEST_BOND
    assert drawn.assay(spammer) == 0
    drawn.market.economy.give(spammer, assay=REQUEST_BOND)
    drawn.market.bond_token.approve(drawn.contract.address, REQUEST_BOND, sender=spammer)
    with reverts("audits: data is published"):
        drawn.contract.request_data(place, sender=spammer)


def test_failing_oneself_through_a_puppet_burns_half(market: Market) -> None:
    """A provider that does not vouch, and whose own auditor collects."""
    claim = market.claim()
    market.post(claim)
    auditing = Auditing(market)
    puppet = auditing.sit()
    auditing.draw()
    auditing.commit(claim)
    supply = market.bond_token.totalSupply()
    auditing.after(claim, 5)
    auditing.contract.expire_vouch(claim.batch_id, claim.index)
    burned = supply - market.bond_token.totalSupply()
    assert burned == SLASH - SLASH * REWARD_BPS // 10_000 >= SLASH // 2
    assert auditing.assay(puppet) == REQUEST_BOND + SLASH - burned


def test_a_false_word_costs_the_provider_whatever_it_answers(drawn: Auditing, claim: Claim) -> None:
    """The claim is right and the provider vouches wrongly, to rob its auditor: the auditor opens a
    game, and the right answer to that game is what exposes the provider."""
    auditor = drawn.commit(claim, WITNESS)
    drawn.vouch(claim, GUESS)
    drawn.reveal(claim, auditor, WITNESS)
    game = open_game(drawn.market, claim, token_index=4, challenger=auditor).answer()
    tree = game.trace.steps_tree
    last = len(STEPS) - 1
    drawn.contract.expose(game.game_id, game.standing, tree.at(tree.depth, last), tree.path(last))
    drawn.settle(claim)
    assert not event(drawn.contract, "Settled").forfeited
    assert drawn.assay(auditor) == REQUEST_BOND + SLASH * REWARD_BPS // 10_000


def test_withdrawing_at_first_sight(market: Market, claim: Claim) -> None:
    """Whoever waits for the first eighth to end meets a provider that cannot leave."""
    boa.env.time_travel(seconds=WINDOW // 8 + 1)
    with reverts("settlement: too late to withdraw"):
        market.settlement.withdraw_claim(claim.batch_id, claim.index, sender=market.provider)
    open_game(market, claim)


def test_foreign_audits_convict_nobody(market: Market, claim: Claim) -> None:
    """Only the audits that the settlement named before its game can."""
    other = deploy_audits(market.economy.contracts)
    with reverts("settlement: caller is not the game"):
        market.settlement.convict(
            claim.batch_id, claim.index, market.stranger, sender=other.address
        )
