# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Batches: what was posted, how each claim ended, which jobs are paid
@license AGPL-3.0-only
@notice The settlement's books, packed so that claims which end one after another share a word:
        64 claims of a batch, and 256 jobs of one consumer with one provider whose nonces
        differ in the last byte alone. Its views are exported by Settlement.
"""

from ..interfaces import ISettlement

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

ADDRESS: constant(uint256) = 2**160 - 1
SECONDS: constant(uint256) = 2**64 - 1

# Bits of a claim, and claims that share a word: a status, 0 to 4, in the lowest three, and above
# them whether its payment must be kept. Audited claims are few: the others pay for no word more.
CLAIM_BITS: constant(uint256) = 4
STATUS_MASK: constant(uint256) = 7
KEEPS_PAYMENT: constant(uint256) = 8
CLAIMS_A_WORD: constant(uint256) = 256 // CLAIM_BITS


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------


# `about`: provider | posted_at << 160 | count << 224.
struct Entry:
    root: bytes32
    about: uint256


entries: HashMap[bytes32, Entry]

# By batch id and index // CLAIMS_A_WORD.
statuses: HashMap[bytes32, HashMap[uint256, uint256]]

# By consumer, provider and nonce >> 8: one bit a nonce.
paid_nonces: HashMap[address, HashMap[address, HashMap[uint256, uint256]]]


# ------------------------------------------------------------------
#                              BATCHES
# ------------------------------------------------------------------


@internal
def _store(batch_id: bytes32, batch: ISettlement.Batch):
    """
    @dev The caller has checked that `count` is below 2**32; a timestamp fits 64 bits.
    """
    about: uint256 = convert(batch.provider, uint256) | (batch.posted_at << 160)
    self.entries[batch_id] = Entry(root=batch.root, about=about | (batch.count << 224))


@view
@internal
def _batch(batch_id: bytes32) -> ISettlement.Batch:
    """
    @notice All zero for an unknown batch.
    """
    about: uint256 = self.entries[batch_id].about
    return ISettlement.Batch(
        provider=convert(about & ADDRESS, address),
        root=self.entries[batch_id].root,
        count=about >> 224,
        posted_at=(about >> 160) & SECONDS,
    )


# ------------------------------------------------------------------
#                              CLAIMS
# ------------------------------------------------------------------


@view
@internal
def _status(batch_id: bytes32, index: uint256) -> uint8:
    return convert(self._bits(batch_id, index) & STATUS_MASK, uint8)


@internal
def _set_status(batch_id: bytes32, index: uint256, status: uint8):
    """
    @notice Give a claim its status, once.
    @dev INVARIANT: it had none (0), as the caller has checked, so nothing is left to clear.
    """
    self._add_bits(batch_id, index, convert(status, uint256))


@view
@internal
def _keeps_payment(batch_id: bytes32, index: uint256) -> bool:
    return self._bits(batch_id, index) & KEEPS_PAYMENT != 0


@internal
def _keep_payment(batch_id: bytes32, index: uint256):
    self._add_bits(batch_id, index, KEEPS_PAYMENT)


@view
@internal
def _bits(batch_id: bytes32, index: uint256) -> uint256:
    return self.statuses[batch_id][index // CLAIMS_A_WORD] >> self._place(index)


@internal
def _add_bits(batch_id: bytes32, index: uint256, bits: uint256):
    self.statuses[batch_id][index // CLAIMS_A_WORD] |= bits << self._place(index)


@pure
@internal
def _place(index: uint256) -> uint256:
    """
    @notice How far up in its word a claim's bits begin.
    """
    return index % CLAIMS_A_WORD * CLAIM_BITS


# ------------------------------------------------------------------
#                               JOBS
# ------------------------------------------------------------------


@view
@internal
def _is_paid(consumer: address, provider: address, nonce: bytes32) -> bool:
    number: uint256 = convert(nonce, uint256)
    return (self.paid_nonces[consumer][provider][number >> 8] >> (number & 255)) & 1 == 1


@internal
def _set_paid(consumer: address, provider: address, nonce: bytes32):
    number: uint256 = convert(nonce, uint256)
    self.paid_nonces[consumer][provider][number >> 8] |= 1 << (number & 255)


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def batch(batch_id: bytes32) -> ISettlement.Batch:
    """
    @notice A batch as it was posted; all zero for an unknown one.
    """
    return self._batch(batch_id)


@view
@external
def status(batch_id: bytes32, index: uint256) -> uint8:
    """
    @notice A claim's status, as ISettlement says.
    """
    return self._status(batch_id, index)


@view
@external
def paid(consumer: address, provider: address, nonce: bytes32) -> bool:
    """
    @notice Whether a job of this nonce between the two is paid.
    """
    return self._is_paid(consumer, provider, nonce)
