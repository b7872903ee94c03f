# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Test bond token: a burnable ERC-20 of 18 decimals that its deployer mints
@license AGPL-3.0-only
@notice For local chains, test networks and tests: snekmate's ERC-20 with permit, as it is.
@custom:kill Nothing stops transfers; the owner names minters.
"""

from snekmate.auth import ownable
from snekmate.tokens import erc20

initializes: ownable
initializes: erc20[ownable := ownable]

exports: erc20.__interface__


@deploy
def __init__(name_: String[25], symbol_: String[5]):
    ownable.__init__()
    erc20.__init__(name_, symbol_, 18, name_, "1")
