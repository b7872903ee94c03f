# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Timelock: the owner of every contract that has one
@license AGPL-3.0-only
@notice snekmate's timelock_controller. A proposer schedules a call; after at least
        `get_minimum_delay` seconds an executor makes it; until then a canceller may cancel
        it. Proposers are cancellers. If the zero address is an executor, anyone is.
        It administers itself: roles and the delay change only by calls that went through it,
        delay included. Nobody else is admin, not even at deployment.
@custom:kill A canceller cancels what is scheduled; nothing stops the timelock itself. Without
             proposers (all renounced or revoked) nothing changes any more.
"""

from snekmate.auth import access_control
from snekmate.governance import timelock_controller

initializes: access_control
initializes: timelock_controller[access_control := access_control]

# Withheld: `update_delay` (bounded below), `__default__`, the receivers of ERC-721 and
# ERC-1155 and `supportsInterface`, which promises them: a timelock keeps no assets.
exports: (
    access_control.DEFAULT_ADMIN_ROLE,
    access_control.hasRole,
    access_control.getRoleAdmin,
    access_control.grantRole,
    access_control.revokeRole,
    access_control.renounceRole,
    access_control.set_role_admin,
    timelock_controller.PROPOSER_ROLE,
    timelock_controller.EXECUTOR_ROLE,
    timelock_controller.CANCELLER_ROLE,
    timelock_controller.get_timestamp,
    timelock_controller.get_minimum_delay,
    timelock_controller.is_operation,
    timelock_controller.is_operation_pending,
    timelock_controller.is_operation_ready,
    timelock_controller.is_operation_done,
    timelock_controller.get_operation_state,
    timelock_controller.hash_operation,
    timelock_controller.hash_operation_batch,
    timelock_controller.schedule,
    timelock_controller.schedule_batch,
    timelock_controller.cancel,
    timelock_controller.execute,
    timelock_controller.execute_batch,
)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# A local chain wants seconds. The upper bound keeps the owner powers usable.
MIN_DELAY_SECONDS: constant(uint256) = 1
MAX_DELAY_SECONDS: constant(uint256) = 30 * 86_400

MAX_ACCOUNTS: constant(uint256) = 16


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(
    minimum_delay_: uint256,
    proposers_: DynArray[address, MAX_ACCOUNTS],
    executors_: DynArray[address, MAX_ACCOUNTS],
):
    """
    @param minimum_delay_ In seconds: 1 s to 30 days.
    @param proposers_ Who schedules and cancels: at least one.
    @param executors_ Who executes: at least one; the zero address stands for anyone.
    """
    self._check_delay(minimum_delay_)
    assert len(proposers_) > 0, "timelock: no proposer"
    assert len(executors_) > 0, "timelock: no executor"
    for proposer: address in proposers_:
        assert proposer != empty(address), "timelock: no proposer"
    access_control.__init__()
    timelock_controller.__init__(minimum_delay_, proposers_, executors_, empty(address))


# ------------------------------------------------------------------
#                               DELAY
# ------------------------------------------------------------------


@external
def update_delay(new_delay: uint256):
    """
    @notice The timelock itself, by a call that went through it.
    @param new_delay In seconds: 1 s to 30 days. What is scheduled keeps its time.
    """
    assert msg.sender == self, "timelock: caller is not the timelock"
    self._check_delay(new_delay)
    log timelock_controller.MinimumDelayChange(
        old_duration=timelock_controller.get_minimum_delay, new_duration=new_delay
    )
    timelock_controller.get_minimum_delay = new_delay


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@pure
@internal
def _check_delay(delay_seconds: uint256):
    assert MIN_DELAY_SECONDS <= delay_seconds, "timelock: delay too short"
    assert delay_seconds <= MAX_DELAY_SECONDS, "timelock: delay too long"
