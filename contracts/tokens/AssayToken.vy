# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title ASSAY, the staking token
@license AGPL-3.0-only
@notice ERC-20 with permit (EIP-2612). The genesis supply is minted to one holder when the
        token is deployed. After that only the minter mints; it is named once and is the
        emission controller, whose schedule bounds what it mints.
        Burning is real: it reduces `totalSupply`. Anyone burns its own tokens, or those that
        it has an allowance for.
@custom:kill Nothing stops the token: it has no owner and no pause. The deployer names the
             minter once.
"""

from snekmate.auth import ownable
from snekmate.tokens import erc20

from ..interfaces import IAssayToken
from ..modules import one_shot

implements: IAssayToken
initializes: ownable
initializes: erc20[ownable := ownable]
initializes: one_shot

# Withheld: snekmate's `mint`, `set_minter`, `is_minter` (many minters, named by an owner) and
# `owner`, `transfer_ownership`, `renounce_ownership`.
exports: (
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.transfer,
    erc20.transferFrom,
    erc20.approve,
    erc20.permit,
    erc20.nonces,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
    erc20.burn,
    erc20.burn_from,
)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# Ten thousand million tokens.
MAX_GENESIS_SUPPLY: constant(uint256) = 10**28

# INVARIANT: no amount of ASSAY reaches 2**96, so that others may keep two amounts in a word.
MAX_SUPPLY: constant(uint256) = 2**96 - 1


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(genesis_holder: address, genesis_supply: uint256):
    """
    @param genesis_holder Receives the genesis supply.
    @param genesis_supply In units of 10**-18 ASSAY: up to 10**28.
    """
    assert genesis_supply <= MAX_GENESIS_SUPPLY, "assay_token: genesis supply too large"
    one_shot.__init__()
    ownable.__init__()
    erc20.__init__("Assay", "ASSAY", 18, "Assay", "1")
    self._drop_snekmate_roles()
    erc20._mint(genesis_holder, genesis_supply)


@external
def set_minter(minter: address):
    """
    @notice Deployer, once: the emission controller, the only minter from then on.
    """
    one_shot._set(minter)
    log IAssayToken.MinterSet(minter=minter)


# ------------------------------------------------------------------
#                              MINTING
# ------------------------------------------------------------------


@external
def mint(to: address, amount: uint256):
    """
    @notice Minter only.
    """
    assert msg.sender == one_shot.target, "assay_token: caller is not the minter"
    erc20._mint(to, amount)
    assert erc20.totalSupply <= MAX_SUPPLY, "assay_token: supply too large"


@view
@external
def minter() -> address:
    """
    @notice Zero until set.
    """
    return one_shot.target


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _drop_snekmate_roles():
    """
    @notice snekmate makes the deployer owner and minter. No exported function asks for either
            role; both are cleared all the same, so that storage and events say so.
    """
    erc20.is_minter[msg.sender] = False
    log erc20.RoleMinterChanged(minter=msg.sender, status=False)
    ownable._transfer_ownership(empty(address))
