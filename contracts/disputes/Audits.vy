# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
# pragma optimize codesize
"""
@title Audits: claims drawn by chance, and proof that somebody has recomputed them
@license AGPL-3.0-only
@notice If nobody is paid to look, nobody looks. So a random seed, which neither side can
        steer (modules/rounds has the argument), draws some claims of every batch and, for
        each, a few auditors' seats. A drawn auditor gets the claim's data from its provider,
        recomputes the answer, and commits to a hash inside the trace: of the last step's
        output in the pass that made the claim's last token (for an embedding, of the whole
        trace). Nobody knows it who has not run the model over prompt and output. The
        commitment is keyed by address, so a copied one opens for nobody else.
        Once no commitment can be added, the provider must vouch: state the same hash. Then
        auditors open theirs. Who agrees is paid, out of the protocol's fees, when the claim
        is. Who does not agree says that claim or provider is wrong, and has the rest of the
        window to win a game: a claim that stands proves the auditor wrong.

        No committee decides what is true. A provider that vouches for a wrong hash has
        committed to a trace: asked in a game about this token, it must answer with that trace
        and is convicted by walking down it, or with another one, which `expose` shows. So an
        auditor that computed has nothing to fear from a provider, from the other auditors,
        or from being the only one; and nothing to gain from following them.
        Who guesses, copies or does not open loses its seat's deposit: half is burned, half
        is the provider's for its trouble. A provider that does not vouch, or does not publish
        data that it withholds from an auditor, loses the claim as one that is silent in a game.

        Data modes of a job: 0 public, 1 auditors (both must be published if a drawn auditor
        demands it: that auditor could publish them anyway), 2 private: shown to be private, a
        claim is excused, and only its consumer can challenge it.

        What an audit pays is so small a part of what the claim was paid that all draws
        together cost `pay_bps` of it: serving oneself for the pay of one's own seats loses
        more in fees. What does not follow: an auditor that gets the hash from the provider
        has not checked. A provider that holds a part f of the seats is alone with its own
        auditors in f**slots of the draws; others may challenge in all of them.
@custom:kill Nothing stops the audits, no role exists, no parameter changes.
"""

from ..interfaces import IAudits
from ..modules import audit_book
from ..modules import data_requests
from ..modules import proof_of_checking
from ..modules import rounds
from ..modules import seats

implements: IAudits
initializes: rounds
initializes: seats
initializes: audit_book[rounds := rounds]
initializes: data_requests[audit_book := audit_book, rounds := rounds, seats := seats]
initializes: proof_of_checking[audit_book := audit_book, rounds := rounds, seats := seats]

# All of an audit's moves; nothing is withheld.
exports: (
    data_requests.request_data,
    data_requests.show,
    data_requests.publish,
    data_requests.expire_request,
    proof_of_checking.commit,
    proof_of_checking.vouch,
    proof_of_checking.expire_vouch,
    proof_of_checking.reveal,
    proof_of_checking.expose,
    proof_of_checking.settle,
    proof_of_checking.entry,
)


# ------------------------------------------------------------------
#                           CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(
    settlement_: address,
    bond_token_: address,
    payment_token_: address,
    rate_bps_: uint256,
    slots_: uint256,
    pay_bps_: uint256,
    seat_deposit_: uint256,
    request_bond_: uint256,
    seed_delay_blocks_: uint256,
):
    """
    @param settlement_ Settlement; it names these audits by `set_audits`.
    @param bond_token_ ASSAY: a plain ERC-20 with `burn`.
    @param payment_token_ Dollars, in which audits are paid.
    @param rate_bps_ The chance of a claim to be drawn.
    @param slots_ How many seats a drawn claim falls to: 1 to 8.
    @param pay_bps_ What audits cost, as a part of what all claims are paid; an audit pays at
           most what its claim was paid.
    @param seat_deposit_ What a seat costs whoever is caught in it. Worth more than the audits
           that go by until then.
    @param request_bond_ What a demand for data pays the provider: more than publishing costs.
    @param seed_delay_blocks_ From a round's beginning to its seed: more than 64 where
           proposers are known two epochs ahead.
    """
    rounds.__init__(rate_bps_, seed_delay_blocks_)
    seats.__init__(bond_token_, seat_deposit_)
    audit_book.__init__(settlement_, slots_)
    data_requests.__init__(request_bond_)
    proof_of_checking.__init__(payment_token_, pay_bps_)


# ------------------------------------------------------------------
#                         SEATS AND ROUNDS
# ------------------------------------------------------------------


@external
def take_seat(key: bytes32) -> uint256:
    """
    @notice Sit down as an auditor, against the deposit of one seat.
    @param key The caller's X25519 public key.
    """
    return seats._take(key)


@external
def leave_seat(seat: uint256):
    """
    @notice Auditor: get up, with the deposit; no entry of the seat may be pending.
    """
    seats._leave(seat)


@external
def begin_round() -> uint256:
    """
    @notice Anyone, once the last round's seed is fixed or lost: begin a draw.
    @return The round's number, from 1.
    """
    number: uint256 = rounds._begin(seats.count)
    round: IAudits.Round = rounds.rounds[number]
    log IAudits.RoundBegun(
        round=number,
        after=round.after,
        begun_at=round.begun_at,
        seed_block=round.seed_block,
        seats=round.seats,
    )
    return number


@external
def fix_seed(header: Bytes[1024]):
    """
    @notice Anyone, within 256 blocks after the round's seed block: show that block's header.
    """
    seed: bytes32 = rounds._fix(header)
    log IAudits.SeedFixed(round=rounds.count, seed=seed)


# ------------------------------------------------------------------
#                              VIEWS
# ------------------------------------------------------------------


@view
@external
def is_drawn(round: uint256, batch_id: bytes32, index: uint256) -> bool:
    return rounds._is_drawn(round, batch_id, index)


@view
@external
def covers(round: uint256, batch_id: bytes32) -> bool:
    return rounds._covers(round, audit_book._ripe_at(batch_id))


@view
@external
def seat_of(place: IAudits.Place) -> uint256:
    return rounds._seat(place)


@view
@external
def pay_of(claim_id: bytes32) -> uint256:
    return proof_of_checking._pay_of(claim_id)


@view
@external
def commitment(
    claim_id: bytes32, slot: uint256, auditor: address, witness: bytes32, salt: bytes32
) -> bytes32:
    return proof_of_checking._commitment(claim_id, slot, auditor, witness, salt)


@view
@external
def deadline(batch_id: bytes32, eighths: uint256) -> uint256:
    return audit_book._deadline(batch_id, eighths)


@view
@external
def round(number: uint256) -> IAudits.Round:
    return rounds.rounds[number]


@view
@external
def round_count() -> uint256:
    return rounds.count


@view
@external
def seat(number: uint256) -> IAudits.Seat:
    return seats.seats[number]


@view
@external
def seat_count() -> uint256:
    return seats.count


@view
@external
def key_of(auditor: address) -> bytes32:
    return seats.keys[auditor]


@view
@external
def audit(claim_id: bytes32) -> IAudits.Audit:
    return audit_book.audits[claim_id]


@view
@external
def settlement() -> address:
    return audit_book.SETTLEMENT


@view
@external
def bond_token() -> address:
    return seats.BOND_TOKEN


@view
@external
def payment_token() -> address:
    return proof_of_checking.PAYMENT_TOKEN


@view
@external
def rate_bps() -> uint256:
    return rounds.RATE_BPS


@view
@external
def slots() -> uint256:
    return audit_book.SLOTS


@view
@external
def pay_bps() -> uint256:
    return proof_of_checking.PAY_BPS


@view
@external
def seat_deposit() -> uint256:
    return seats.DEPOSIT


@view
@external
def request_bond() -> uint256:
    return data_requests.REQUEST_BOND


@view
@external
def seed_delay_blocks() -> uint256:
    return rounds.DELAY_BLOCKS
