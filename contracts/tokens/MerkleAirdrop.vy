# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Airdrop: parts of the genesis supply, claimed by Merkle proof until a deadline
@license AGPL-3.0-only
@notice The root commits to one (account, amount) per leaf. Anyone may send an account its
        part, once, up to and including the deadline. After it anyone burns what is left,
        which reduces the token's supply.
        The contract is funded by plain transfers. It keeps no books but who has claimed: a
        donation is burned with the rest.
@custom:kill Nothing stops the airdrop; nobody can change the root or take the tokens out.
"""

from ethereum.ercs import IERC20
from snekmate.utils import merkle_proof_verification

from ..interfaces import IBurnableERC20
from ..interfaces import IMerkleAirdrop

implements: IMerkleAirdrop


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

MAX_DURATION_SECONDS: constant(uint256) = 2 * 365 * 86_400

# A tree of 2**32 leaves.
MAX_PROOF: constant(uint256) = 32


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

token: public(immutable(address))
root: public(immutable(bytes32))

# The last second in which parts can be claimed.
deadline: public(immutable(uint256))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

claimed: public(HashMap[address, bool])


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(token_: address, root_: bytes32, deadline_: uint256):
    """
    @param token_ A plain ERC-20 with `burn`: no fee on transfer, no hooks.
    @param root_ Root of the tree, as OpenZeppelin's merkle-tree library builds it.
    @param deadline_ Timestamp in seconds: after now, at most two years ahead.
    """
    assert token_.is_contract, "merkle_airdrop: token is not a contract"
    assert root_ != empty(bytes32), "merkle_airdrop: no root"
    assert block.timestamp < deadline_, "merkle_airdrop: deadline has passed"
    assert deadline_ - block.timestamp <= MAX_DURATION_SECONDS, (
        "merkle_airdrop: deadline too far"
    )
    token = token_
    root = root_
    deadline = deadline_


# ------------------------------------------------------------------
#                              CLAIMS
# ------------------------------------------------------------------


@external
def claim(account: address, amount: uint256, proof: DynArray[bytes32, MAX_PROOF]):
    """
    @notice Anyone, until the deadline: send an account its part, once.
    @param proof Siblings from the leaf up, at most 32.
    """
    assert block.timestamp <= deadline, "merkle_airdrop: deadline has passed"
    assert not self.claimed[account], "merkle_airdrop: already claimed"
    assert merkle_proof_verification._verify(proof, root, self._leaf(account, amount)), (
        "merkle_airdrop: wrong proof"
    )
    self.claimed[account] = True
    assert extcall IBurnableERC20(token).transfer(account, amount), (
        "merkle_airdrop: transfer failed"
    )
    log IMerkleAirdrop.Claimed(account=account, amount=amount)


@external
def burn_unclaimed() -> uint256:
    """
    @notice Anyone, after the deadline: burn all that is left.
    @return The amount.
    """
    assert block.timestamp > deadline, "merkle_airdrop: before the deadline"
    amount: uint256 = staticcall IERC20(token).balanceOf(self)
    assert amount > 0, "merkle_airdrop: nothing left"
    extcall IBurnableERC20(token).burn(amount)
    log IMerkleAirdrop.UnclaimedBurned(amount=amount)
    return amount


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@pure
@internal
def _leaf(account: address, amount: uint256) -> bytes32:
    """
    @dev Hashed twice: a leaf's preimage is 32 bytes, a node's 64, so no node passes for a
         leaf.
    """
    return keccak256(keccak256(abi_encode(account, amount)))
