"""Audits on titanoboa: seats, draws with a header of our making, and both sides' moves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import boa
import rlp

from assay.core.hashes import keccak
from tests.support.market import REQUEST_BOND, SEAT, SEED_DELAY, WINDOW, Claim, Market

KEY = b"\x0b" * 32
SALT = b"\x0c" * 32
WITNESS = b"\x0d" * 32
COMMITTED, AGREES, DISSENTS, SETTLED = 1, 2, 3, 4

Place = tuple[int, bytes, int, int]


def header(mix: bytes = b"\x21" * 32, difficulty: int = 0, extra: bytes = b"assay") -> bytes:
    """A block's header as Cancun has it, of which only the randomness matters."""
    fields: list[bytes | int] = [b"\x01" * 32, b"\x02" * 32, b"\x03" * 20]
    fields += [b"\x04" * 32, b"\x05" * 32, b"\x06" * 32, b"\x07" * 256]
    fields += [difficulty, 20_000_000, 36_000_000, 12_345_678, 1_700_000_000, extra, mix]
    fields += [bytes(8), 7, b"\x08" * 32, 0, 0, b"\x09" * 32]
    return bytes(rlp.encode(fields))


def pass_blocks(count: int, last: bytes) -> None:
    """Go on by so many blocks, the last but one of which has this header."""
    patch = boa.env.evm.patch
    patch.block_number += count
    hashes = list(patch.prev_hashes)
    hashes[0] = keccak(last)
    patch.prev_hashes = hashes


@dataclass(repr=False)
class Auditing:
    """A market's audits, with moves by role."""

    market: Market

    @property
    def contract(self) -> Any:
        return self.market.audits

    def sit(self, name: str = "auditor") -> str:
        """A new account in a seat of its own, with the bond of a request in its pocket."""
        auditor = boa.env.generate_address(name)
        self.market.economy.give(auditor, assay=SEAT + REQUEST_BOND)
        self.market.bond_token.approve(self.contract.address, SEAT + REQUEST_BOND, sender=auditor)
        self.contract.take_seat(KEY, sender=auditor)
        return str(auditor)

    def draw(self, block: bytes | None = None) -> int:
        """A round over all claims that are ripe in the next second after the first eighth."""
        boa.env.time_travel(seconds=WINDOW // 8)
        number = int(self.contract.begin_round())
        pass_blocks(SEED_DELAY + 1, block or header())
        self.contract.fix_seed(block or header())
        return number

    def place(self, claim: Claim, slot: int = 0, number: int = 1) -> Place:
        return (number, claim.batch_id, claim.index, slot)

    def drawn(self, place: Place) -> str:
        """Who sits where the slot fell."""
        return str(self.contract.seat(self.contract.seat_of(place)).auditor)

    def seal(self, claim: Claim, auditor: str, witness: bytes = WITNESS, slot: int = 0) -> bytes:
        return bytes(self.contract.commitment(claim.claim_id, slot, auditor, witness, SALT))

    def commit(self, claim: Claim, witness: bytes = WITNESS, slot: int = 0, number: int = 1) -> str:
        """The drawn auditor of a slot commits to a witness."""
        place = self.place(claim, slot, number)
        auditor = self.drawn(place)
        self.contract.commit(place, self.seal(claim, auditor, witness, slot), sender=auditor)
        return auditor

    def vouch(self, claim: Claim, witness: bytes = WITNESS) -> None:
        self.after(claim, 4)
        self.contract.vouch(
            claim.batch_id, claim.index, shown(claim), witness, sender=self.market.provider
        )

    def reveal(self, claim: Claim, auditor: str, witness: bytes = WITNESS, slot: int = 0) -> None:
        self.contract.reveal(claim.batch_id, claim.index, slot, witness, SALT, sender=auditor)

    def settle(self, claim: Claim, slot: int = 0, sender: str | None = None) -> None:
        self.contract.settle(
            claim.batch_id, claim.index, slot, sender=sender or self.market.stranger
        )

    def state(self, claim: Claim, slot: int = 0) -> int:
        return int(self.contract.entry(claim.claim_id, slot).state)

    def after(self, claim: Claim, eighths: int) -> None:
        """The first second after so many eighths of the claim's window."""
        now = boa.env.evm.patch.timestamp
        until = self.contract.deadline(claim.batch_id, eighths)
        boa.env.time_travel(seconds=max(0, until + 1 - now))

    def fund(self, usd_micro: int) -> None:
        """Fees for the audits."""
        self.market.economy.give(self.contract.address, usd_micro=usd_micro)

    def assay(self, account: str) -> int:
        return int(self.market.bond_token.balanceOf(account))

    def dollars(self, account: str) -> int:
        return int(self.market.payment_token.balanceOf(account))


def shown(claim: Claim) -> tuple[Any, ...]:
    """`IAudits.Shown`."""
    return (claim.receipt.abi(), claim.proof, claim.job.abi(), claim.model.abi())
