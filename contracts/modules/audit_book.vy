# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title What is known of audited claims, and what every step of an audit asks first
@license AGPL-3.0-only
@notice The book of audits by claim, the clock in eighths of a claim's window, and the way in
        which a provider loses a claim that it does not stand by.
"""

from ..interfaces import IAudits
from ..interfaces import ISettlement
from . import claims
from . import rounds

uses: rounds

# What the settlement says of a claim.
OPEN: constant(uint8) = 0

# Eighths of the window until which things are done (IAudits).
REQUESTS: constant(uint256) = 2
ANSWERS: constant(uint256) = 3
COMMITS: constant(uint256) = 4
VOUCHES: constant(uint256) = 5
REVEALS: constant(uint256) = 6
WINDOW: constant(uint256) = 8

MAX_SLOTS: constant(uint256) = 8

SETTLEMENT: immutable(address)
SLOTS: immutable(uint256)

# By claim id.
audits: HashMap[bytes32, IAudits.Audit]


@deploy
def __init__(settlement: address, slots: uint256):
    assert settlement.is_contract, "audits: settlement is not a contract"
    assert 0 < slots and slots <= MAX_SLOTS, "audits: slots out of bounds"
    SETTLEMENT = settlement
    SLOTS = slots


@view
@internal
def _check_drawn(place: IAudits.Place):
    """
    @notice The place is one of a covered, drawn, open claim.
    """
    batch: ISettlement.Batch = staticcall ISettlement(SETTLEMENT).batch(place.batch_id)
    assert place.index < batch.count, "audits: no such claim"
    assert place.slot < SLOTS, "audits: no such slot"
    assert rounds._covers(place.round, self._ripe_at(place.batch_id)), "audits: not in this round"
    assert rounds._is_drawn(place.round, place.batch_id, place.index), "audits: not drawn"
    assert self._status(place.batch_id, place.index) == OPEN, "audits: claim is not open"


@view
@internal
def _check_time(batch_id: bytes32, after: uint256, until: uint256):
    """
    @notice Now is after so many eighths of the window (0: at any time before), and until so many.
    """
    if after > 0:
        assert block.timestamp > self._deadline(batch_id, after), "audits: too early"
    assert block.timestamp <= self._deadline(batch_id, until), "audits: too late"


@view
@internal
def _check_shown(batch_id: bytes32, index: uint256, shown: IAudits.Shown):
    """
    @notice The caller is the provider; receipt, job and model are the claim's.
    """
    assert msg.sender == self._provider(batch_id), "audits: caller is not the provider"
    claim: ISettlement.Disputed = staticcall ISettlement(SETTLEMENT).disputed(
        batch_id,
        index,
        shown.receipt,
        shown.proof,
        shown.job,
        shown.model,
        convert(self._last_token(shown), uint32),
    )


@internal
def _fail(batch_id: bytes32, index: uint256, rewarded: address, reason: String[32]):
    """
    @notice The provider did not stand by its claim: it is lost as in a game.
    """
    extcall ISettlement(SETTLEMENT).convict(batch_id, index, rewarded)
    log IAudits.ProviderFailed(
        claim_id=claims.claim_id(batch_id, index),
        provider=self._provider(batch_id),
        rewarded=rewarded,
        reason=reason,
    )


@view
@internal
def _deadline(batch_id: bytes32, eighths: uint256) -> uint256:
    window: uint256 = staticcall ISettlement(SETTLEMENT).window_seconds()
    batch: ISettlement.Batch = staticcall ISettlement(SETTLEMENT).batch(batch_id)
    return batch.posted_at + window * eighths // 8


@view
@internal
def _provider(batch_id: bytes32) -> address:
    batch: ISettlement.Batch = staticcall ISettlement(SETTLEMENT).batch(batch_id)
    return batch.provider


@view
@internal
def _status(batch_id: bytes32, index: uint256) -> uint8:
    return staticcall ISettlement(SETTLEMENT).status(batch_id, index)


@pure
@internal
def _last_token(shown: IAudits.Shown) -> uint256:
    return convert(max(shown.receipt.output_tokens, 1) - 1, uint256)


@view
@internal
def _ripe_at(batch_id: bytes32) -> uint256:
    """
    @notice The second from which on its provider cannot take a claim of the batch back.
    """
    return staticcall ISettlement(SETTLEMENT).withdrawal_until(batch_id)
