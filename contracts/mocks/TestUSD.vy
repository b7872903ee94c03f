# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Test dollar: an ERC-20 of 6 decimals that its deployer mints
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
def __init__():
    ownable.__init__()
    erc20.__init__("Test dollar", "tUSD", 6, "Test dollar", "1")
