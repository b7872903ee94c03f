"""A timelock of two days over a credit minter whose curve may be moved, and a role each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boa
import pytest

from tests.support.economy import CURVE, ETHER
from tests.support.evm import DAY, deployer

DELAY = 2 * DAY
NO_HASH = bytes(32)
SALT = b"\x05" * 32
NEW_CURVE = (95 * ETHER, CURVE[1], CURVE[2])


@dataclass(repr=False)
class Governance:
    """`call` is what the roles argue about: `minter.set_curve(NEW_CURVE)`."""

    timelock: Any
    minter: Any
    deployer: str
    proposer: str
    executor: str
    stranger: str

    @property
    def call(self) -> bytes:
        return bytes(self.minter.set_curve.prepare_calldata(NEW_CURVE))

    def operation(
        self, target: Any = None, payload: bytes | None = None, predecessor: bytes = NO_HASH
    ) -> tuple[Any, ...]:
        """Arguments of `execute`; with a delay after them, of `schedule`."""
        target = target or self.minter
        return (target.address, 0, payload or self.call, predecessor, SALT)

    def identity(self, *operation: Any) -> bytes:
        return bytes(self.timelock.hash_operation(*(operation or self.operation())))

    def schedule(self, *operation: Any, delay: int = DELAY, sender: str | None = None) -> bytes:
        """The operation's id; the schedule is the timelock's last call, whose events count."""
        operation = operation or self.operation()
        identity = self.identity(*operation)
        self.timelock.schedule(*operation, delay, sender=sender or self.proposer)
        return identity

    def execute(self, *operation: Any, sender: str | None = None) -> None:
        self.timelock.execute(*(operation or self.operation()), sender=sender or self.executor)


def set_up(executor: str | None = None) -> Governance:
    roles = ("deployer", "proposer", "executor", "stranger")
    accounts = [boa.env.generate_address(role) for role in roles]
    with boa.env.prank(accounts[0]):
        timelock = deployer("governance/Timelock")(DELAY, [accounts[1]], [executor or accounts[2]])
        part = deployer("mocks/TestToken")("stands for a part", "PART")
        minter = deployer("staking/CreditMinter")(part, part, timelock, CURVE)
    boa.env.time_travel(seconds=30 * DAY)
    return Governance(timelock, minter, *accounts)


@pytest.fixture(scope="session")
def deployed_governance() -> Governance:
    return set_up()


@pytest.fixture
def governance(deployed_governance: Governance) -> Iterator[Governance]:
    with boa.env.anchor():
        yield deployed_governance
