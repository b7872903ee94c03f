# pragma version 0.4.3
"""
@title Rounds: one random seed for many claims, and whom it draws
@license AGPL-3.0-only
@notice A round begins with everything fixed that its seed decides about: the claims, by the
        time at which they became ripe, and the seats. Its seed is the randomness of a block
        `delay_blocks` later. Who is drawn is a function of the seed alone and costs nothing
        until somebody acts on it.

        Who could steer it? Whoever begins a round picks the moment, not the outcome: with a
        delay longer than the beacon's lookahead (two epochs, 64 slots) nobody knows yet who
        proposes the seed's block. Whoever proposes that block, or the last ones before it,
        may withhold a block, and so choose between two outcomes (2**k with k in a row) for
        the price of k blocks. A provider that is no large validator can do nothing. What is
        assumed is Ethereum's beacon: a chain without one (a constant `prevrandao`, or one that
        a sequencer chooses) lets its sequencer draw whom it likes; a header that names a
        difficulty is refused, a sequencer's good faith cannot be checked here.
        The seed must be shown within 256 blocks. If nobody does it is lost, and the next round
        covers the same claims: to draw again one would have to keep everybody's transaction
        out for 256 blocks. If nobody begins rounds, nothing is audited; games need no round.
"""

from ..interfaces import IAudits
from . import headers

# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# How far `blockhash` reaches.
HASHES_KEPT: constant(uint256) = 256
BPS: constant(uint256) = 10_000


# ------------------------------------------------------------------
#                        IMMUTABLES AND STORAGE
# ------------------------------------------------------------------

RATE_BPS: immutable(uint256)
DELAY_BLOCKS: immutable(uint256)

rounds: HashMap[uint256, IAudits.Round]
count: uint256

# Claims that were ripe by then are covered by rounds whose seed is fixed.
covered_until: uint256


@deploy
def __init__(rate_bps: uint256, delay_blocks: uint256):
    assert 0 < rate_bps and rate_bps <= BPS, "audits: rate out of bounds"
    assert 0 < delay_blocks and delay_blocks <= HASHES_KEPT, "audits: delay out of bounds"
    RATE_BPS = rate_bps
    DELAY_BLOCKS = delay_blocks
    self.covered_until = block.timestamp


# ------------------------------------------------------------------
#                               ROUNDS
# ------------------------------------------------------------------


@internal
def _begin(seats: uint256) -> uint256:
    """
    @notice A new round over what no fixed round covers, and the seats that there are.
    """
    last: IAudits.Round = self.rounds[self.count]
    waits: bool = self.count > 0 and last.seed == empty(bytes32)
    assert not waits or block.number > last.seed_block + HASHES_KEPT, "audits: round is running"
    assert seats > 0, "audits: no seats"
    number: uint256 = self.count + 1
    self.count = number
    self.rounds[number] = IAudits.Round(
        after=self.covered_until,
        begun_at=block.timestamp,
        seed_block=block.number + DELAY_BLOCKS,
        seats=seats,
        seed=empty(bytes32),
    )
    return number


@internal
def _fix(header: Bytes[1024]) -> bytes32:
    """
    @notice Fix the last round's seed from the header of its block.
    """
    number: uint256 = self.count
    assert number > 0 and self.rounds[number].seed == empty(bytes32), "audits: no round waits"
    seed_block: uint256 = self.rounds[number].seed_block
    assert seed_block < block.number, "audits: too early for the seed"
    assert block.number <= seed_block + HASHES_KEPT, "audits: seed is lost"
    assert keccak256(header) == blockhash(seed_block), "audits: not the seed's block"
    seed: bytes32 = keccak256(abi_encode(chain.id, self, number, headers.randao(header)))
    self.rounds[number].seed = seed
    self.covered_until = self.rounds[number].begun_at
    return seed


# ------------------------------------------------------------------
#                              THE DRAW
# ------------------------------------------------------------------


@view
@internal
def _covers(number: uint256, ripe_at: uint256) -> bool:
    """
    @notice Whether a claim that was ripe at that second is among those that a round draws from.
    """
    after: uint256 = self.rounds[number].after
    fixed: bool = self.rounds[number].seed != empty(bytes32)
    return fixed and after < ripe_at and ripe_at <= self.rounds[number].begun_at


@view
@internal
def _is_drawn(number: uint256, batch_id: bytes32, index: uint256) -> bool:
    """
    @notice Each claim by itself with a chance of RATE_BPS.
    @dev 2**256 modulo 10,000 favours the low numbers by less than 2**-240.
    """
    seed: bytes32 = self.rounds[number].seed
    word: bytes32 = keccak256(abi_encode(seed, batch_id, index))
    return seed != empty(bytes32) and convert(word, uint256) % BPS < RATE_BPS


@view
@internal
def _seat(place: IAudits.Place) -> uint256:
    """
    @notice The seat that a slot falls to, each with the same chance.
    """
    round: IAudits.Round = self.rounds[place.round]
    assert round.seed != empty(bytes32), "audits: seed is not fixed"
    word: bytes32 = keccak256(
        abi_encode(round.seed, place.batch_id, place.index, place.slot)
    )
    return convert(word, uint256) % round.seats
