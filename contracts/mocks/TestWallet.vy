# pragma version 0.4.3
# pragma nonreentrancy off
# pragma evm-version cancun
"""
@title Test wallet: a contract account of one key (ERC-1271)
@license AGPL-3.0-only
@notice For tests: signs what its key signs, sends what its key sends.
@custom:kill The key can be changed by the key.
"""

from snekmate.utils import ecdsa

ERC1271_MAGIC: constant(bytes4) = 0x1626BA7E

key: public(address)


@deploy
def __init__(key_: address):
    self.key = key_


@external
def set_key(key: address):
    assert msg.sender == self.key, "test_wallet: caller is not the key"
    self.key = key


@external
def execute(target: address, data: Bytes[4096]):
    assert msg.sender == self.key, "test_wallet: caller is not the key"
    raw_call(target, data)


@view
@external
def isValidSignature(digest: bytes32, signature: Bytes[65]) -> bytes4:
    if ecdsa._recover_sig(digest, signature) == self.key:
        return ERC1271_MAGIC
    return 0xFFFFFFFF
