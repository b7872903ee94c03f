"""Bad input on chain: each a revert with its reason, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from assay.chain.games import Games
from assay.core.errors import ContractReverted
from assay.core.game import ChallengeSample, RevealTile, Timeout
from assay.core.hashes import keccak
from assay.core.wire import ClaimData
from assay.provider.responder import next_move
from tests.integration.arena import Arena, greedy, right_output
from tests.integration.conftest import Shipped


@pytest.fixture
def claims(arena: Arena, shipped: Shipped) -> list[ClaimData]:
    """Three right claims in one batch."""
    prompt = shipped.tokenizer.encode("A class that")
    output = right_output(shipped.engine, prompt, greedy(2))
    return arena.post(*(arena.draft(prompt, output, greedy(2)) for _ in range(3)))


@contextmanager
def refused(arena: Arena, *reasons: str) -> Iterator[None]:
    """The call inside reverts with one of `reasons`, and no transaction was mined."""
    root = state_of(arena)
    with pytest.raises(ContractReverted) as caught:
        yield
    assert caught.value.reason in reasons
    assert state_of(arena) == root


def state_of(arena: Arena) -> tuple[int, bytes]:
    """Height and state root of the chain: every transaction is mined at once."""
    block = arena.network.web3.eth.get_block("latest")
    return int(block["number"]), bytes(block["stateRoot"])


def finalise(arena: Arena, data: ClaimData) -> None:
    arena.networks["honest provider"].settlement.finalise(
        data.batch_id, data.index, data.receipt, data.proof, data.job, data.signature
    )


def after_window(arena: Arena, data: ClaimData) -> None:
    arena.pass_time(arena.network.settlement.challenge_until(data.batch_id))


def flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


ALTERATIONS: dict[str, Callable[[ClaimData], ClaimData]] = {
    "output_root": lambda c: replace(
        c, receipt=replace(c.receipt, output_root=flipped(c.receipt.output_root, 77))
    ),
    "price": lambda c: replace(c, receipt=replace(c.receipt, price=c.receipt.price ^ 1)),
    "output_tokens": lambda c: replace(
        c, receipt=replace(c.receipt, output_tokens=c.receipt.output_tokens ^ 4)
    ),
    "job_id": lambda c: replace(c, receipt=replace(c.receipt, job_id=flipped(c.receipt.job_id, 0))),
    "proof": lambda c: replace(c, proof=(flipped(c.proof[0], 255), *c.proof[1:])),
    "another place": lambda c: replace(c, index=(c.index + 1) % 3),
    "shorter proof": lambda c: replace(c, proof=c.proof[:-1]),
    "longer proof": lambda c: replace(c, proof=(*c.proof, bytes(32))),
    "padding": lambda c: replace(c, index=3),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
def test_revert_a_receipt_that_is_not_in_the_batch(
    arena: Arena, claims: list[ClaimData], alteration: str
) -> None:
    altered = ALTERATIONS[alteration](claims[1])
    bond = arena.network.game.challenger_bond()
    own = arena.networks["challenger"]
    own.bond_token.approve(own.game.address, bond)
    with refused(arena, "settlement: receipt not in the batch"):
        arena.open(altered, 0)
    after_window(arena, claims[1])
    with refused(arena, "settlement: receipt not in the batch"):
        finalise(arena, altered)


def test_revert_a_job_altered_by_one_bit(arena: Arena, claims: list[ClaimData]) -> None:
    altered = replace(claims[0], job=replace(claims[0].job, seed=flipped(claims[0].job.seed, 9)))
    own = arena.networks["challenger"]
    own.bond_token.approve(own.game.address, arena.network.game.challenger_bond())
    with refused(arena, "settlement: wrong job"):
        arena.open(altered, 0)
    after_window(arena, claims[0])
    with refused(arena, "settlement: wrong job"):
        finalise(arena, altered)


@pytest.mark.parametrize("bit", [13, 300, 515, 519])
def test_revert_a_signature_altered_by_one_bit(
    arena: Arena, claims: list[ClaimData], bit: int
) -> None:
    """In r, in s, in v: whether the curve or the settlement sees it depends on the bit."""
    after_window(arena, claims[0])
    altered = replace(claims[0], signature=flipped(claims[0].signature, bit))
    with refused(arena, "settlement: wrong signature", "ecdsa: invalid signature"):
        finalise(arena, altered)


def test_revert_a_batch_without_bond(arena: Arena, claims: list[ClaimData]) -> None:
    network = arena.networks["honest provider"]
    free = arena.network.providers.free(arena.address("honest provider"))
    count = free // arena.network.settlement.slash_per_claim() + 1
    with refused(arena, "provider_registry: bond too small"):
        network.settlement.post_batch(keccak(b"root"), count)
    with refused(arena, "provider_registry: bond too small"):
        arena.networks["challenger"].settlement.post_batch(keccak(b"root"), 1)


def test_revert_a_challenge_after_the_window(arena: Arena, claims: list[ClaimData]) -> None:
    own = arena.networks["challenger"]
    own.bond_token.approve(own.game.address, arena.network.game.challenger_bond())
    after_window(arena, claims[0])
    with refused(arena, "settlement: window is over"):
        arena.open(claims[0], 0)


def test_revert_a_challenge_to_a_token_that_is_not_there(
    arena: Arena, claims: list[ClaimData]
) -> None:
    own = arena.networks["challenger"]
    own.bond_token.approve(own.game.address, arena.network.game.challenger_bond())
    with refused(arena, "settlement: no such token"):
        arena.open(claims[0], 2)


def test_revert_payment_within_the_window(arena: Arena, claims: list[ClaimData]) -> None:
    with refused(arena, "settlement: window still open"):
        finalise(arena, claims[0])


def test_revert_payment_while_a_game_is_open(arena: Arena, claims: list[ClaimData]) -> None:
    until = arena.network.settlement.challenge_until(claims[0].batch_id)
    arena.pass_time(until - 10)
    game = arena.open(claims[0], 0)
    arena.pass_time(until)
    with refused(arena, "settlement: a game is open"):
        finalise(arena, claims[0])
    arena.pass_time(Games(arena.network).view(game).state.deadline)
    assert arena.network.settlement.status(claims[0].batch_id, claims[0].index).name == "OPEN"


def test_revert_a_second_payment(arena: Arena, claims: list[ClaimData]) -> None:
    after_window(arena, claims[0])
    finalise(arena, claims[0])
    with refused(arena, "settlement: job is paid already"):
        finalise(arena, claims[0])


def test_revert_moves_out_of_turn(arena: Arena, claims: list[ClaimData]) -> None:
    game = arena.open(claims[0], 0)
    view = Games(arena.network).view(game)
    challenger, provider = arena.networks["challenger"], arena.networks["honest provider"]
    with refused(arena, "dispute_game: clock is running"):
        Games(challenger).play(view, Timeout())
    with refused(arena, "dispute_game: not this move"):
        Games(provider).play(view, RevealTile(b"\x00" * 4))
    with refused(arena, "dispute_game: not this move"):
        challenger.game.pick_element(view.standing, 0, b"\x00" * 4, ())


def test_revert_a_move_of_somebody_else(arena: Arena, claims: list[ClaimData]) -> None:
    game = arena.open(claims[0], 0)
    view = Games(arena.network).view(game)
    move = arena.defence(claims[0], 0)
    answer = next_move(view.state, move)
    assert answer is not None
    with refused(arena, "dispute_game: not your turn"):
        Games(arena.networks["cheating provider"]).play(view, answer)
    Games(arena.networks["honest provider"]).play(view, answer)
    answered = Games(arena.network).view(game)
    with refused(arena, "dispute_game: not your turn"):
        Games(arena.networks["cheating provider"]).play(answered, ChallengeSample(3))
