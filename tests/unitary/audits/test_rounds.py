"""Audits.begin_round, fix_seed and the draw."""

from __future__ import annotations

import boa
import pytest
from eth_abi.abi import encode

from assay.core.hashes import keccak
from tests.support.auditing import Auditing, header, pass_blocks
from tests.support.market import (
    SEED_DELAY,
    WINDOW,
    Claim,
    Market,
    deploy_audits,
    event,
    reverts,
)


def test_default_behavior(auditing: Auditing, claim: Claim) -> None:
    contract = auditing.contract
    boa.env.time_travel(seconds=WINDOW // 8)
    block = boa.env.evm.patch.block_number
    assert contract.begin_round(sender=auditing.market.stranger) == 1
    begun = event(contract, "RoundBegun")
    assert (begun.round, begun.seed_block, begun.seats) == (1, block + SEED_DELAY, 3)
    assert begun.begun_at == boa.env.evm.patch.timestamp
    assert not contract.covers(1, claim.batch_id)
    pass_blocks(SEED_DELAY + 1, header())
    contract.fix_seed(header(), sender=auditing.market.stranger)
    chain = boa.env.evm.patch.chain_id
    word = [chain, contract.address, 1, b"\x21" * 32]
    seed = keccak(encode(["uint256", "address", "uint256", "bytes32"], word))
    assert event(contract, "SeedFixed").seed == seed == contract.round(1).seed
    assert contract.covers(1, claim.batch_id)


def test_only_ripe_claims_are_covered(auditing: Auditing, claim: Claim) -> None:
    """A claim that can still be withdrawn is for the next round, and for no other."""
    boa.env.time_travel(seconds=WINDOW // 8 - 1)
    late = auditing.market.claim()
    auditing.market.post(late)
    for number in (1, 2, 3):
        boa.env.time_travel(seconds=1)
        auditing.contract.begin_round()
        pass_blocks(SEED_DELAY + 1, header())
        auditing.contract.fix_seed(header())
        if number == 2:
            boa.env.time_travel(seconds=WINDOW // 8)
    covered = [auditing.contract.covers(number, claim.batch_id) for number in (1, 2, 3)]
    assert covered == [True, False, False]
    covered = [auditing.contract.covers(number, late.batch_id) for number in (1, 2, 3)]
    assert covered == [False, False, True]
    assert not auditing.contract.covers(1, b"\x42" * 32)


def test_a_lost_seed_is_drawn_anew_for_the_same_claims(auditing: Auditing, claim: Claim) -> None:
    boa.env.time_travel(seconds=WINDOW // 8)
    auditing.contract.begin_round()
    pass_blocks(SEED_DELAY + 257, header())
    with reverts("audits: seed is lost"):
        auditing.contract.fix_seed(header())
    assert auditing.contract.begin_round() == 2
    pass_blocks(SEED_DELAY + 1, header())
    auditing.contract.fix_seed(header())
    assert not auditing.contract.covers(1, claim.batch_id)
    assert auditing.contract.covers(2, claim.batch_id)


def test_the_rate_is_kept_and_seats_share(market: Market, auditing: Auditing) -> None:
    """Of 2,000 claims at 5 %, 100 are drawn (five deviations: 49), seats fall evenly."""
    audits = deploy_audits(market.economy.contracts, rate_bps=500, pay_bps=100)
    other = Auditing(market)
    market.economy.contracts["audits"], kept = audits, market.audits
    try:
        for name in "abcd":
            other.sit(name)
        other.draw()
        drawn = [i for i in range(2_000) if audits.is_drawn(1, b"\x11" * 32, i)]
        seats = [audits.seat_of((1, b"\x11" * 32, i, slot)) for i in range(500) for slot in (0, 1)]
    finally:
        market.economy.contracts["audits"] = kept
    assert 51 <= len(drawn) <= 149
    assert all(180 <= seats.count(seat) <= 320 for seat in range(4))


def test_revert_begin(auditing: Auditing, market: Market) -> None:
    with reverts("audits: no seats"):
        deploy_audits(market.economy.contracts).begin_round()
    auditing.contract.begin_round()
    pass_blocks(SEED_DELAY + 256, header())
    with reverts("audits: round is running"):
        auditing.contract.begin_round()


def test_revert_fix(auditing: Auditing) -> None:
    with reverts("audits: no round waits"):
        auditing.contract.fix_seed(header())
    auditing.contract.begin_round()
    boa.env.evm.patch.block_number += SEED_DELAY
    with reverts("audits: too early for the seed"):
        auditing.contract.fix_seed(header())
    pass_blocks(1, header())
    with reverts("audits: not the seed's block"):
        auditing.contract.fix_seed(header(b"\x22" * 32))
    auditing.contract.fix_seed(header())
    with reverts("audits: no round waits"):
        auditing.contract.fix_seed(header())


def test_revert_a_header_without_a_beacon(auditing: Auditing) -> None:
    """Where blocks have a difficulty, their builder has ground the mix."""
    auditing.contract.begin_round()
    pass_blocks(SEED_DELAY + 1, header(difficulty=1))
    with reverts("headers: the block has no beacon"):
        auditing.contract.fix_seed(header(difficulty=1))


def test_revert_seat_before_the_seed(auditing: Auditing) -> None:
    auditing.contract.begin_round()
    with reverts("audits: seed is not fixed"):
        auditing.contract.seat_of((1, bytes(32), 0, 0))


@pytest.mark.parametrize("extra", [b"", b"\x05", b"x" * 32])
def test_any_extra_data(auditing: Auditing, extra: bytes) -> None:
    """Fields of any length stand before the randomness; the seed is the mix, not the hash."""
    auditing.draw(header(extra=extra))
    word = [boa.env.evm.patch.chain_id, auditing.contract.address, 1, b"\x21" * 32]
    seed = keccak(encode(["uint256", "address", "uint256", "bytes32"], word))
    assert auditing.contract.round(1).seed == seed
