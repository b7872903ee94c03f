"""A payment token that calls its holders back, in the middle of the ledger's functions.

USDC does not; the ledger does not rely on it. Other contracts call nobody but each other, and, to
ask for a signature, wallets, which cannot write. The auction's callback: test_auction.py. That
every function and view of the ledger is locked: tests/unitary/credit_ledger/test_reentrancy.py.
"""

from __future__ import annotations

from typing import Any

import boa
import pytest

from tests.attacks.arena import Defect, economy, without
from tests.support.economy import DOLLAR, FEE_BPS, WITHDRAWAL_DELAY, Economy
from tests.support.evm import deployer, now

LEDGER, PREPAID = "network/CreditLedger", "modules/prepaid"

UNLOCKED = (
    Defect(LEDGER, "# pragma nonreentrancy on\n", ""),
    Defect(LEDGER, "# pragma nonreentrancy on\n", "", PREPAID),
)
PAID_FIRST = Defect(
    LEDGER,
    "    self.earnings_of[msg.sender] = 0\n    self._send(to, amount)\n",
    "    self._send(to, amount)\n    self.earnings_of[msg.sender] = 0\n",
    PREPAID,
)

HOOKED_TOKEN = """
# pragma version 0.4.3
interface Holder:
    def moved(): nonpayable

decimals: public(constant(uint8)) = 6
balanceOf: public(HashMap[address, uint256])

@external
def mint(to: address, amount: uint256):
    self.balanceOf[to] += amount

@external
def transfer(to: address, amount: uint256) -> bool:
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
    if to.is_contract:
        extcall Holder(to).moved()
    return True

@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    if owner.is_contract:
        extcall Holder(owner).moved()
    self.balanceOf[owner] -= amount
    self.balanceOf[to] += amount
    return True
"""

ATTACKER = """
# pragma version 0.4.3
target: address
payload: Bytes[512]
left: uint256
succeeded: public(bool)
answer: public(Bytes[32])

@external
def plan(target: address, payload: Bytes[512]):
    self.target = target
    self.payload = payload
    self.left = 1

@external
def execute(target: address, payload: Bytes[512]):
    raw_call(target, payload)

@external
def moved():
    if self.left > 0:
        self.left -= 1
        self.succeeded, self.answer = raw_call(
            self.target, self.payload, max_outsize=32, revert_on_failure=False
        )
"""


class Scene:
    """A ledger of that token, with others' dollars in it, and an attacker's contract."""

    def __init__(self, economy: Economy, code: Any) -> None:
        self.token, self.attacker = boa.loads(HOOKED_TOKEN), boa.loads(ATTACKER)
        parts = [economy.contracts[name] for name in ("karat", "staking", "emissions", "router")]
        self.ledger = code(self.token, *parts, economy.owner, FEE_BPS, WITHDRAWAL_DELAY)
        self.settlement = deployer("mocks/TestUSD")().address
        self.ledger.set_settlement(self.settlement)
        consumer = boa.env.generate_address("consumer")
        self.token.mint(consumer, 100 * DOLLAR)
        self.ledger.deposit(100 * DOLLAR, sender=consumer)
        arguments = (b"", consumer, self.attacker.address, 10 * DOLLAR, 0, now())
        self.ledger.pay(*arguments, sender=self.settlement)


def fetched_twice(scene: Scene) -> int:
    """Fetch earnings, and fetch them again when they arrive: what that is beyond them."""
    earned = scene.ledger.earnings_of(scene.attacker)
    call = scene.ledger.withdraw_earnings.prepare_calldata(scene.attacker)
    scene.attacker.plan(scene.ledger, call)
    scene.attacker.execute(scene.ledger, call)
    return int(scene.token.balanceOf(scene.attacker)) - int(earned)


@pytest.mark.parametrize("defects", [(), UNLOCKED, (PAID_FIRST,)], ids=["none", "lock", "order"])
def test_fetching_twice_fails(defects: tuple[Defect, ...]) -> None:
    """Stopped by the lock, and by the order of effects; one of them is enough."""
    with economy() as sound:
        code = without(*defects) if defects else deployer(LEDGER)
        assert fetched_twice(Scene(sound, code)) == 0


def test_fetching_twice_bites() -> None:
    with economy() as sound:
        gain = fetched_twice(Scene(sound, without(*UNLOCKED, PAID_FIRST)))
        assert gain == 95 * DOLLAR // 10


def seen_before_it_is_there(scene: Scene) -> int | None:
    """What the ledger says of a deposit before a dollar of it has moved."""
    scene.token.mint(scene.attacker, 50 * DOLLAR)
    question = scene.ledger.available.prepare_calldata(scene.attacker)
    scene.attacker.plan(scene.ledger, question)
    deposit = scene.ledger.deposit.prepare_calldata(50 * DOLLAR)
    scene.attacker.execute(scene.ledger, deposit)
    if not scene.attacker.succeeded():
        return None
    return int.from_bytes(scene.attacker.answer(), "big")


def test_read_only_fails() -> None:
    with economy() as sound:
        scene = Scene(sound, deployer(LEDGER))
        assert seen_before_it_is_there(scene) is None
        assert scene.ledger.available(scene.attacker) == 50 * DOLLAR


def test_read_only_bites() -> None:
    """Who relied on it would serve for dollars that may never come."""
    with economy() as sound:
        scene = Scene(sound, without(*UNLOCKED))
        assert seen_before_it_is_there(scene) == 50 * DOLLAR


def spent_before_it_is_there(scene: Scene) -> bool:
    """Another function within `deposit`: notice of dollars that have not moved yet."""
    scene.token.mint(scene.attacker, 50 * DOLLAR)
    notice = scene.ledger.request_withdrawal.prepare_calldata(50 * DOLLAR)
    scene.attacker.plan(scene.ledger, notice)
    scene.attacker.execute(scene.ledger, scene.ledger.deposit.prepare_calldata(50 * DOLLAR))
    return bool(scene.attacker.succeeded())


@pytest.mark.parametrize(("defects", "works"), [((), False), (UNLOCKED, True)])
def test_another_function(defects: tuple[Defect, ...], works: bool) -> None:
    with economy() as sound:
        code = without(*defects) if defects else deployer(LEDGER)
        assert spent_before_it_is_there(Scene(sound, code)) == works
