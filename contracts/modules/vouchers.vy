# pragma version 0.4.3
"""
@title Vouchers: what the owner of credit signs, and who may sign for it
@license AGPL-3.0-only
@notice EIP-712, one domain per chain and ledger. Nothing here reverts for a bad signature: bulk
        collection skips it.
"""

from snekmate.utils import eip712_domain_separator

from ..interfaces import ICreditLedger

initializes: eip712_domain_separator


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

VOUCHER_TYPE_HASH: constant(bytes32) = keccak256(
    "Voucher(address owner,address payee,uint256 day,uint256 cumulative)"
)

# Half the order of secp256k1: above it lies the twin of a signature.
MAX_S: constant(uint256) = 57896044618658097711785492504343953926418782139537452191302581570759080747168

ERC1271_MAGIC: constant(bytes4) = 0x1626BA7E

# Most that a wallet may burn to check a signature: it cannot exhaust a bulk collection alone.
WALLET_GAS: constant(uint256) = 100_000


@deploy
def __init__():
    eip712_domain_separator.__init__("Assay credit", "1")


@view
@internal
def _digest(voucher: ICreditLedger.Voucher) -> bytes32:
    return eip712_domain_separator._hash_typed_data_v4(
        keccak256(abi_encode(VOUCHER_TYPE_HASH, voucher))
    )


@view
@internal
def _is_signed(signed: ICreditLedger.SignedVoucher, session_key: address) -> bool:
    """
    @notice Whether the owner (a key, or an ERC-1271 wallet) or the session key signed.
    @dev A key's signature counts whether or not code stands at its address (EIP-7702).
         SAFETY: a wallet can revoke its signature until the voucher is collected; payees that
         mind ask for a session key.
    """
    digest: bytes32 = self._digest(signed.voucher)
    signer: address = self._recover(digest, signed.signature)
    # A malformed signature recovers to zero, as does an absent session key.
    if signer != empty(address) and (signer == signed.voucher.owner or signer == session_key):
        return True
    return self._wallet_accepts(signed.voucher.owner, digest, signed.signature)


@pure
@internal
def _recover(digest: bytes32, signature: Bytes[65]) -> address:
    """
    @return The signing key; zero if it is no signature, or the malleable twin of one.
    """
    if len(signature) != 65:
        return empty(address)
    s: uint256 = extract32(signature, 32, output_type=uint256)
    if s > MAX_S:
        return empty(address)
    r: uint256 = extract32(signature, 0, output_type=uint256)
    return ecrecover(digest, convert(slice(signature, 64, 1), uint256), r, s)


@view
@internal
def _wallet_accepts(wallet: address, digest: bytes32, signature: Bytes[65]) -> bool:
    """
    @dev An address without code answers nothing, which is no acceptance.
    """
    success: bool = False
    answer: Bytes[32] = b""
    success, answer = raw_call(
        wallet,
        abi_encode(digest, signature, method_id=ERC1271_MAGIC),
        max_outsize=32,
        gas=WALLET_GAS,
        is_static_call=True,
        revert_on_failure=False,
    )
    return (
        success
        and len(answer) == 32
        and convert(answer, bytes32) == convert(ERC1271_MAGIC, bytes32)
    )
