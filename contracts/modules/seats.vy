# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Seats: auditors' deposits
@license AGPL-3.0-only
@notice A seat is one deposit; who deposits more holds more seats and is drawn more often. A
        seat that was left or forfeited is taken again by the next one to come, and keeps its
        number. Entries that are not settled keep their auditor in its seat.
        INVARIANT: the contract holds the deposit of each seat that is taken.
"""

from ..interfaces import IAudits
from ..interfaces import IBurnableERC20

# Of a forfeited deposit; the rest goes to the provider that was troubled.
BURNED_BPS: constant(uint256) = 5_000
BPS: constant(uint256) = 10_000
MAX_DEPOSIT: constant(uint256) = 2**128

BOND_TOKEN: immutable(address)
DEPOSIT: immutable(uint256)

seats: HashMap[uint256, IAudits.Seat]
count: uint256

# Numbers below `count` that nobody holds, as a stack.
vacant: HashMap[uint256, uint256]
vacant_count: uint256

keys: HashMap[address, bytes32]


@deploy
def __init__(bond_token: address, deposit: uint256):
    assert bond_token.is_contract, "audits: bond token is not a contract"
    assert 0 < deposit and deposit <= MAX_DEPOSIT, "audits: deposit out of bounds"
    BOND_TOKEN = bond_token
    DEPOSIT = deposit


@internal
def _take(key: bytes32) -> uint256:
    """
    @notice A seat for the caller, against one deposit.
    """
    assert key != empty(bytes32), "audits: no key"
    number: uint256 = self.count
    if self.vacant_count > 0:
        self.vacant_count -= 1
        number = self.vacant[self.vacant_count]
    else:
        self.count = number + 1
    self.seats[number] = IAudits.Seat(auditor=msg.sender, since=block.timestamp, pending=0)
    self.keys[msg.sender] = key
    self._collect(DEPOSIT)
    log IAudits.SeatTaken(auditor=msg.sender, seat=number, key=key)
    return number


@internal
def _leave(number: uint256):
    assert self.seats[number].auditor == msg.sender, "audits: caller holds another seat"
    assert self.seats[number].pending == 0, "audits: entries are pending"
    self._vacate(number)
    self._send(msg.sender, DEPOSIT)
    log IAudits.SeatLeft(auditor=msg.sender, seat=number)


@internal
def _occupy(number: uint256, drawn_at: uint256) -> uint256:
    """
    @notice Check that the caller has held the seat since before the draw; one more entry of it.
    @return Since when.
    """
    self._check_holder(number, drawn_at)
    self.seats[number].pending += 1
    return self.seats[number].since


@internal
def _release(number: uint256, since: uint256):
    """
    @notice An entry is settled. A seat that was forfeited meanwhile has others by now.
    """
    if self.seats[number].since == since:
        self.seats[number].pending -= 1


@internal
def _forfeit(number: uint256, since: uint256, provider: address) -> bool:
    """
    @notice Take the seat's deposit, unless it is lost already.
    """
    auditor: address = self.seats[number].auditor
    if self.seats[number].since != since:
        return False
    self._vacate(number)
    burned: uint256 = DEPOSIT * BURNED_BPS // BPS
    extcall IBurnableERC20(BOND_TOKEN).burn(burned)
    self._send(provider, DEPOSIT - burned)
    log IAudits.SeatForfeited(auditor=auditor, seat=number, provider=provider, burned=burned)
    return True


@view
@internal
def _check_holder(number: uint256, drawn_at: uint256):
    assert self.seats[number].auditor == msg.sender, "audits: caller is not drawn"
    assert self.seats[number].since < drawn_at, "audits: seated after the draw"


@internal
def _vacate(number: uint256):
    self.seats[number] = empty(IAudits.Seat)
    self.vacant[self.vacant_count] = number
    self.vacant_count += 1


@internal
def _collect(amount: uint256):
    assert extcall IBurnableERC20(BOND_TOKEN).transferFrom(msg.sender, self, amount), (
        "audits: transfer failed"
    )


@internal
def _send(to: address, amount: uint256):
    assert extcall IBurnableERC20(BOND_TOKEN).transfer(to, amount), "audits: transfer failed"
