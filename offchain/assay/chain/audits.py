"""Client of the audits: seats, rounds, demands for data, proof of checking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from assay.chain.contract import ContractClient
from assay.chain.record import Standing
from assay.chain.sender import Mined
from assay.core.types import Hash, Job, Model, Receipt

PIECE = 256
"""Tokens that `publish` takes at once."""


class EntryState(IntEnum):
    """What has become of an auditor's work on a claim (`IAudits`)."""

    NONE = 0
    COMMITTED = 1
    AGREES = 2
    DISSENTS = 3
    SETTLED = 4


@dataclass(frozen=True)
class Place:
    """A slot of a drawn claim."""

    round: int
    batch_id: bytes
    index: int
    slot: int

    def abi(self) -> tuple[object, ...]:
        return (self.round, self.batch_id, self.index, self.slot)


@dataclass(frozen=True)
class Round:
    """A draw; `seed` is zero until it is fixed."""

    after: int
    begun_at: int
    seed_block: int
    seats: int
    seed: bytes


@dataclass(frozen=True)
class Seat:
    """A deposit; the zero address sits in an empty one."""

    auditor: str
    since: int
    pending: int


@dataclass(frozen=True)
class Entry:
    """An auditor's work on a claim."""

    auditor: str
    seat: int
    since: int
    commitment: bytes
    state: EntryState


@dataclass(frozen=True)
class AuditState:
    """What the contract knows of an audited claim (`IAudits.Audit`)."""

    first: str
    requester: str
    excused: bool
    shown: bool
    prompt_root: bytes
    output_root: bytes
    prompt_tokens: int
    output_tokens: int
    published: int
    witness: bytes
    witness_leaves: int
    token_index: int


@dataclass(frozen=True)
class Shown:
    """A claim as its provider shows it."""

    receipt: Receipt
    proof: Sequence[bytes]
    job: Job
    model: Model

    def abi(self) -> tuple[object, ...]:
        return (self.receipt.abi(), list(self.proof), self.job.abi(), self.model.abi())


class Audits(ContractClient):
    """Claims drawn by chance, and proof that somebody has recomputed them."""

    # Seats and rounds.

    def take_seat(self, key: bytes) -> Mined:
        """`key`: X25519 public key, 32 bytes. Approve the deposit first."""
        return self.write("take_seat", key)

    def leave_seat(self, seat: int) -> Mined:
        return self.write("leave_seat", seat)

    def begin_round(self) -> Mined:
        return self.write("begin_round")

    def fix_seed(self, header: bytes) -> Mined:
        """`header`: of the round's seed block, in RLP."""
        return self.write("fix_seed", header)

    def round(self, number: int) -> Round:
        return Round(*self.read("round", number))

    def round_count(self) -> int:
        return int(self.read("round_count"))

    def seat(self, number: int) -> Seat:
        return Seat(*self.read("seat", number))

    def seat_count(self) -> int:
        return int(self.read("seat_count"))

    def key_of(self, auditor: str) -> bytes:
        return bytes(self.read("key_of", auditor))

    def covers(self, number: int, batch_id: bytes) -> bool:
        return bool(self.read("covers", number, batch_id))

    def is_drawn(self, number: int, batch_id: bytes, index: int) -> bool:
        return bool(self.read("is_drawn", number, batch_id, index))

    def seat_of(self, place: Place) -> int:
        return int(self.read("seat_of", place.abi()))

    # Demands for data.

    def request_data(self, place: Place) -> Mined:
        return self.write("request_data", place.abi())

    def show(self, batch_id: bytes, index: int, shown: Shown) -> Mined:
        return self.write("show", batch_id, index, shown.abi())

    def publish(
        self,
        batch_id: bytes,
        index: int,
        tokens: Sequence[int],
        job_salt: bytes,
        path: Sequence[bytes],
    ) -> Mined:
        return self.write("publish", batch_id, index, list(tokens), job_salt, list(path))

    def expire_request(self, batch_id: bytes, index: int) -> Mined:
        return self.write("expire_request", batch_id, index)

    # Proof of checking.

    def commit(self, place: Place, commitment: bytes) -> Mined:
        return self.write("commit", place.abi(), commitment)

    def vouch(self, batch_id: bytes, index: int, shown: Shown, witness: bytes) -> Mined:
        return self.write("vouch", batch_id, index, shown.abi(), witness)

    def expire_vouch(self, batch_id: bytes, index: int) -> Mined:
        return self.write("expire_vouch", batch_id, index)

    def reveal(self, batch_id: bytes, index: int, slot: int, witness: bytes, salt: bytes) -> Mined:
        return self.write("reveal", batch_id, index, slot, witness, salt)

    def expose(self, game: Standing, leaf: bytes, path: Sequence[bytes]) -> Mined:
        return self.write("expose", *game.abi(), leaf, list(path))

    def settle(self, batch_id: bytes, index: int, slot: int) -> Mined:
        return self.write("settle", batch_id, index, slot)

    def commitment(
        self, claim_id: bytes, slot: int, auditor: str, witness: bytes, salt: bytes
    ) -> Hash:
        return Hash(bytes(self.read("commitment", claim_id, slot, auditor, witness, salt)))

    def audit(self, claim_id: bytes) -> AuditState:
        return AuditState(*self.read("audit", claim_id))

    def entry(self, claim_id: bytes, slot: int) -> Entry:
        auditor, seat, since, commitment, state = self.read("entry", claim_id, slot)
        return Entry(auditor, seat, since, bytes(commitment), EntryState(state))

    def deadline(self, batch_id: bytes, eighths: int) -> int:
        """The last second of so many eighths of a batch's window."""
        return int(self.read("deadline", batch_id, eighths))

    def pay_of(self, claim_id: bytes) -> int:
        """Micro-USD that agreeing about a finalised claim earns."""
        return int(self.read("pay_of", claim_id))

    def slots(self) -> int:
        return int(self.read("slots"))

    def rate_bps(self) -> int:
        return int(self.read("rate_bps"))

    def seat_deposit(self) -> int:
        return int(self.read("seat_deposit"))

    def request_bond(self) -> int:
        return int(self.read("request_bond"))

    def seed_delay_blocks(self) -> int:
        return int(self.read("seed_delay_blocks"))
