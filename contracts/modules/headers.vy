# pragma version 0.4.3
"""
@title The beacon's randomness in a block's header
@license AGPL-3.0-only
@notice `blockhash` reaches back 256 blocks, `prevrandao` none. Whoever builds a block tries as
        many hashes as it likes; of the randomness in it, it can only take the one that there
        is or give up the block. So the header is shown, its hash checked, and the field read.
"""

# Fields of a header (EIP-3675): the randomness stands where proofs of work had their mix.
BLOOM_AND_BEFORE: constant(uint256) = 7
MIX_HASH: constant(uint256) = 13

# First bytes of strings in RLP: from SHORT on they say the length, from LONG on its length.
SHORT: constant(uint256) = 128
LONG: constant(uint256) = 184


@internal
@pure
def randao(header: Bytes[1024]) -> bytes32:
    """
    @notice `prevrandao` of the block whose header this is.
    @param header In RLP; the caller has checked its hash.
    @dev A header is a list longer than 255 bytes, its bloom alone being 256: three bytes of
         prefix.
    """
    at: uint256 = 3
    for _: uint256 in range(BLOOM_AND_BEFORE):
        at = self._after(header, at)
    # INVARIANT: a beacon's block has difficulty 0, the empty string in RLP.
    assert self._byte(header, at) == SHORT, "headers: the block has no beacon"
    for _: uint256 in range(MIX_HASH - BLOOM_AND_BEFORE):
        at = self._after(header, at)
    return extract32(header, at + 1)


@internal
@pure
def _after(header: Bytes[1024], at: uint256) -> uint256:
    """
    @notice Where the field after the string at `at` begins.
    """
    prefix: uint256 = self._byte(header, at)
    if prefix < SHORT:
        return at + 1
    if prefix < LONG:
        return at + 1 + prefix - SHORT
    length: uint256 = 0
    bytes_of_length: uint256 = prefix - LONG + 1
    for i: uint256 in range(bytes_of_length, bound=8):
        length = (length << 8) | self._byte(header, at + 1 + i)
    return at + 1 + bytes_of_length + length


@internal
@pure
def _byte(header: Bytes[1024], at: uint256) -> uint256:
    return convert(slice(header, at, 1), uint256)
