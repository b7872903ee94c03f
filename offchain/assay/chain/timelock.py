"""Client of the timelock: the owner of everything that can be set, acting after a delay."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from assay.chain.contract import ContractClient
from assay.chain.sender import Mined

ZERO_WORD = bytes(32)


class OperationState(IntEnum):
    """Of a proposed call (the flag of snekmate's timelock_controller)."""

    UNSET = 1
    WAITING = 2
    READY = 4
    DONE = 8


@dataclass(frozen=True)
class Operation:
    """One call that the timelock shall make: `payload` to `target`, with `value` wei.

    `predecessor` is an operation that must be done first (zero: none). `salt` tells two equal
    operations apart.
    """

    target: str
    payload: bytes
    value: int = 0
    predecessor: bytes = ZERO_WORD
    salt: bytes = ZERO_WORD

    def abi(self) -> tuple[object, ...]:
        return (self.target, self.value, self.payload, self.predecessor, self.salt)


class Timelock(ContractClient):
    """Proposers schedule, anybody or the executors execute; roles change only through itself."""

    def schedule(self, operation: Operation, delay_seconds: int) -> Mined:
        """Proposer: let the operation be executed after the delay, at least the minimum."""
        return self.write("schedule", *operation.abi(), delay_seconds)

    def execute(self, operation: Operation) -> Mined:
        return self.write("execute", *operation.abi())

    def cancel(self, operation_id: bytes) -> Mined:
        """Canceller: a proposer, from the constructor on."""
        return self.write("cancel", operation_id)

    def operation_id(self, operation: Operation) -> bytes:
        return bytes(self.read("hash_operation", *operation.abi()))

    def state(self, operation_id: bytes) -> OperationState:
        return OperationState(self.read("get_operation_state", operation_id))

    def ready_at(self, operation_id: bytes) -> int:
        """Unix time; 0 for an unknown operation, 1 for one that is done."""
        return int(self.read("get_timestamp", operation_id))

    def minimum_delay(self) -> int:
        return int(self.read("get_minimum_delay"))

    def role(self, name: str) -> bytes:
        """Id of the role "proposer", "executor", "canceller" or "admin"."""
        getter = "DEFAULT_ADMIN_ROLE" if name == "admin" else f"{name.upper()}_ROLE"
        return bytes(self.read(getter))

    def has_role(self, name: str, account: str) -> bool:
        return bool(self.read("hasRole", self.role(name), account))
