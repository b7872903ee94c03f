# pragma version 0.4.3
"""
@title A link to a contract that does not exist yet when this one is deployed
@license AGPL-3.0-only
@notice Two contracts that name each other cannot both be constructor arguments. The later
        address is set once, by the deployer, and is immutable from then on; the deployer
        has no other power and none after.
"""

DEPLOYER: immutable(address)

# Zero until set.
target: address


@deploy
def __init__():
    DEPLOYER = msg.sender


@internal
def _set(target: address):
    assert msg.sender == DEPLOYER, "one_shot: caller is not the deployer"
    assert self.target == empty(address), "one_shot: already set"
    assert target.is_contract, "one_shot: not a contract"
    self.target = target
