# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Test dollar: an ERC-20 of 6 decimals that its deployer mints, blacklists and pauses
@license AGPL-3.0-only
@notice For local chains, test networks and tests: snekmate's ERC-20 with permit, and of USDC its
        transfers by signature (EIP-3009) and the two powers that a protocol must live with. A
        blacklisted account neither sends nor receives, nor moves what others approved to it, nor
        brings what others signed; while paused nothing moves at all. A permit is only an
        allowance and always works.
@custom:kill The owner pauses everything and blacklists anyone; the owner names minters.
"""

from snekmate.auth import ownable
from snekmate.tokens import erc20
from snekmate.utils import eip712_domain_separator

uses: eip712_domain_separator
initializes: ownable
initializes: erc20[ownable := ownable]

# Wrapped below: whatever moves tokens, and approve. Withheld: burn_from, which USDC lacks.
exports: (
    erc20.name,
    erc20.symbol,
    erc20.decimals,
    erc20.totalSupply,
    erc20.balanceOf,
    erc20.allowance,
    erc20.nonces,
    erc20.permit,
    erc20.DOMAIN_SEPARATOR,
    erc20.eip712Domain,
    erc20.is_minter,
    erc20.set_minter,
    erc20.owner,
    erc20.transfer_ownership,
    erc20.renounce_ownership,
)


event Blacklisted:
    account: indexed(address)
    status: bool


event Paused:
    status: bool


event AuthorizationUsed:
    authorizer: indexed(address)
    nonce: indexed(bytes32)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

TRANSFER_TYPE_HASH: constant(bytes32) = keccak256(
    "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
)

# Half of secp256k1's order: of two valid s only the smaller counts.
MAX_S: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

is_blacklisted: public(HashMap[address, bool])
paused: public(bool)

# Nonces that were used, by who signed.
authorizationState: public(HashMap[address, HashMap[bytes32, bool]])


@deploy
def __init__():
    ownable.__init__()
    erc20.__init__("Test dollar", "tUSD", 6, "Test dollar", "1")


# ------------------------------------------------------------------
#                               OWNER
# ------------------------------------------------------------------


@external
def blacklist(account: address, status: bool):
    """
    @notice Owner: keep an account from everything, or let it again.
    """
    ownable._check_owner()
    self.is_blacklisted[account] = status
    log Blacklisted(account=account, status=status)


@external
def pause(status: bool):
    """
    @notice Owner: stop everything, or let it go on.
    """
    ownable._check_owner()
    self.paused = status
    log Paused(status=status)


# ------------------------------------------------------------------
#                               ERC-20
# ------------------------------------------------------------------


@external
def mint(owner: address, amount: uint256):
    """
    @notice Minters only.
    """
    assert erc20.is_minter[msg.sender], "erc20: access is denied"
    self._check(owner)
    erc20._mint(owner, amount)


@external
def burn(amount: uint256):
    self._check(msg.sender)
    erc20._burn(msg.sender, amount)


@external
def transfer(to: address, amount: uint256) -> bool:
    self._check(msg.sender)
    self._check(to)
    erc20._transfer(msg.sender, to, amount)
    return True


@external
def transferFrom(owner: address, to: address, amount: uint256) -> bool:
    self._check(msg.sender)
    self._check(owner)
    self._check(to)
    erc20._spend_allowance(owner, msg.sender, amount)
    erc20._transfer(owner, to, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self._check(msg.sender)
    self._check(spender)
    erc20._approve(msg.sender, spender, amount)
    return True


# ------------------------------------------------------------------
#                             EIP-3009
# ------------------------------------------------------------------


@external
def transferWithAuthorization(
    owner: address,
    to: address,
    amount: uint256,
    valid_after: uint256,
    valid_before: uint256,
    nonce: bytes32,
    v: uint8,
    r: bytes32,
    s: bytes32,
):
    """
    @notice Anyone: make a transfer that its owner signed, once for each nonce.
    """
    self._check(msg.sender)
    self._check(owner)
    self._check(to)
    assert block.timestamp > valid_after, "test_usd: authorization is not yet valid"
    assert block.timestamp < valid_before, "test_usd: authorization is expired"
    assert not self.authorizationState[owner][nonce], "test_usd: authorization is used"
    assert convert(s, uint256) <= MAX_S, "test_usd: invalid signature"
    digest: bytes32 = eip712_domain_separator._hash_typed_data_v4(
        keccak256(
            abi_encode(
                TRANSFER_TYPE_HASH, owner, to, amount, valid_after, valid_before, nonce
            )
        )
    )
    signer: address = ecrecover(digest, v, r, s)
    assert signer != empty(address) and signer == owner, "test_usd: invalid signature"
    self.authorizationState[owner][nonce] = True
    log AuthorizationUsed(authorizer=owner, nonce=nonce)
    erc20._transfer(owner, to, amount)


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@view
@internal
def _check(account: address):
    assert not self.paused, "test_usd: paused"
    assert not self.is_blacklisted[account], "test_usd: blacklisted"
