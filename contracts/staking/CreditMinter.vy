# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Credit minter: KARAT against locked stake
@license AGPL-3.0-only
@notice A staker locks free stake and mints KARAT at the price of the curve (mint_curve), which
        rises with the supply of KARAT. The lock stays the staker's and goes on earning, at the
        rate of locked stake.
        Burning KARAT that one minted unlocks one's own lock pro rata; the last burn unlocks
        all that is left. Bought KARAT can be burned by a minter to close its position, and by
        nobody else. No wallet's lock ever depends on what another wallet does.
        The owner moves the curve slowly. A change prices later mints only: who burns and
        mints again pays the new price of the same range of supply, and moves no lock but its
        own.
@dev INVARIANT: supply of KARAT = sum of positions' minted; Staking's locked = position's.
     While the curve stays, the sum of all locks is at least the price of the whole supply:
     order the KARAT that is left by when it was minted; before its k-th unit was, there were
     at least k - 1, so it paid the price of place k or a higher one. Burns take from a
     wallet's units evenly, and keep that order. So no sequence of mints and burns, by any
     number of wallets, holds KARAT for less than the curve asks.
@custom:kill Nothing stops mints or burns. The owner moves the curve by a tenth every 30 days.
"""

from ethereum.ercs import IERC20
from snekmate.auth import ownable

from ..interfaces import ICreditMinter
from ..interfaces import IKaratToken
from ..interfaces import IStaking
from ..modules import mint_curve

implements: ICreditMinter
initializes: ownable

exports: (
    ownable.owner,
    ownable.transfer_ownership,
    ownable.renounce_ownership,
)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

CURVE_INTERVAL_SECONDS: constant(uint256) = 30 * 86_400

# A position is one word: minted below, locked above.
LANE: constant(uint256) = 2**128 - 1


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

staking: public(immutable(address))
karat: public(immutable(address))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

curve: public(ICreditMinter.Curve)

# When the curve was last set, the deployment included.
curve_set_at: public(uint256)

# INVARIANT: minted <= locked < 2**96. A KARAT costs one ASSAY or more, and a burn rounds what
#            it unlocks down, so locked / minted never falls by a burn.
positions: HashMap[address, uint256]


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(
    staking_: address, karat_: address, owner_: address, curve_: ICreditMinter.Curve
):
    """
    @param staking_ Holds the stake and its locks.
    @param karat_ The token minted; must name this contract as its minter.
    @param owner_ May move the curve.
    @param curve_ 18 decimals: base 1 to 10**5 ASSAY, power 0.1 to 10, target 10**3 to 10**6
           KARAT.
    """
    assert staking_.is_contract, "credit_minter: staking is not a contract"
    assert karat_.is_contract, "credit_minter: karat is not a contract"
    assert owner_ != empty(address), "credit_minter: no owner"
    staking = staking_
    karat = karat_
    ownable.__init__()
    ownable._transfer_ownership(owner_)
    self._write_curve(curve_)


# ------------------------------------------------------------------
#                           MINT AND BURN
# ------------------------------------------------------------------


@external
def mint(locked: uint256, min_minted: uint256) -> uint256:
    """
    @notice Lock that much of the caller's free stake and mint KARAT to the caller.
    @param min_minted Reverts below: others may mint first.
    @return KARAT minted, rounded down.
    """
    supply: uint256 = staticcall IERC20(karat).totalSupply()
    minted: uint256 = mint_curve.minted_for(self.curve, supply, locked)
    assert minted > 0, "credit_minter: nothing minted"
    assert minted >= min_minted, "credit_minter: less than the minimum"
    position: ICreditMinter.Position = self._position(msg.sender)
    position.minted += minted
    position.locked += locked
    self._write_position(msg.sender, position)
    extcall IStaking(staking).lock(msg.sender, locked)
    extcall IKaratToken(karat).mint(msg.sender, minted)
    log ICreditMinter.Minted(
        account=msg.sender, locked=locked, minted=minted, supply=supply + minted
    )
    return minted


@external
def burn(amount: uint256) -> uint256:
    """
    @notice Burn the caller's unstaked KARAT, at most what it minted, and unlock pro rata:
            amount x locked / minted, rounded down; the last burn unlocks all that is left.
    @return ASSAY unlocked.
    """
    position: ICreditMinter.Position = self._position(msg.sender)
    unlocked: uint256 = self._unlocked(position, amount)
    position.minted -= amount
    position.locked -= unlocked
    self._write_position(msg.sender, position)
    extcall IKaratToken(karat).burn_for(msg.sender, amount)
    extcall IStaking(staking).unlock(msg.sender, unlocked)
    log ICreditMinter.Burned(
        account=msg.sender,
        burned=amount,
        unlocked=unlocked,
        supply=staticcall IERC20(karat).totalSupply(),
    )
    return unlocked


# ------------------------------------------------------------------
#                               OWNER
# ------------------------------------------------------------------


@external
def set_curve(curve: ICreditMinter.Curve):
    """
    @notice Owner: each parameter by a tenth at most, at most every 30 days.
    """
    ownable._check_owner()
    assert block.timestamp >= self.curve_set_at + CURVE_INTERVAL_SECONDS, (
        "credit_minter: curve set too recently"
    )
    self._check_step(self.curve.base, curve.base)
    self._check_step(self.curve.power, curve.power)
    self._check_step(self.curve.target, curve.target)
    self._write_curve(curve)


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def quote_mint(locked: uint256) -> uint256:
    """
    @notice KARAT that `mint` would give now.
    """
    return mint_curve.minted_for(self.curve, staticcall IERC20(karat).totalSupply(), locked)


@view
@external
def quote_lock(minted: uint256) -> uint256:
    """
    @notice The least stake that mints that much KARAT now, rounded up.
    """
    return mint_curve.lock_for(self.curve, staticcall IERC20(karat).totalSupply(), minted)


@view
@external
def quote_burn(account: address, amount: uint256) -> uint256:
    """
    @notice ASSAY that `burn` would unlock for an account now.
    """
    return self._unlocked(self._position(account), amount)


@view
@external
def rate_at(supply: uint256) -> uint256:
    """
    @notice ASSAY per KARAT at a supply on the smooth curve, 18 decimals, rounded up.
    """
    return mint_curve.rate(self.curve, supply)


@view
@external
def position(account: address) -> ICreditMinter.Position:
    return self._position(account)


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@pure
@internal
def _unlocked(position: ICreditMinter.Position, amount: uint256) -> uint256:
    """
    @dev The last burn leaves no dust behind. No overflow: both factors are below 2**96.
    """
    assert amount > 0, "credit_minter: nothing to burn"
    assert amount <= position.minted, "credit_minter: more than the caller minted"
    return amount * position.locked // position.minted


@pure
@internal
def _check_step(old: uint256, new: uint256):
    """
    @dev Divided, not multiplied: no value overflows.
    """
    assert new <= old + old // 10, "credit_minter: step too large"
    assert new >= old - old // 10, "credit_minter: step too large"


@internal
def _write_curve(curve: ICreditMinter.Curve):
    mint_curve.check(curve)
    self.curve = curve
    self.curve_set_at = block.timestamp
    log ICreditMinter.CurveSet(curve=curve)


@view
@internal
def _position(account: address) -> ICreditMinter.Position:
    word: uint256 = self.positions[account]
    return ICreditMinter.Position(minted=word & LANE, locked=word >> 128)


@internal
def _write_position(account: address, position: ICreditMinter.Position):
    self.positions[account] = position.minted | (position.locked << 128)
