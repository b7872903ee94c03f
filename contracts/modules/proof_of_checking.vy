# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Proof of checking: commitments, the provider's word, and what follows
@license AGPL-3.0-only
@notice Auditors commit to a witness before the provider states it, and open it after; what an
        entry earns or loses is said by what becomes of the claim.
"""

from ethereum.ercs import IERC20

from ..interfaces import IAudits
from ..interfaces import IDisputeGame
from ..interfaces import ISettlement
from . import audit_book
from . import claims
from . import merkle
from . import rounds
from . import seats

uses: audit_book
uses: rounds
uses: seats

# States of an entry.
COMMITTED: constant(uint8) = 1
AGREES: constant(uint8) = 2
DISSENTS: constant(uint8) = 3
SETTLED: constant(uint8) = 4

# What the settlement says of a claim that nobody can convict any more.
FINALISED: constant(uint8) = 1
ABANDONED: constant(uint8) = 3

PAYMENT_TOKEN: immutable(address)
PAY_BPS: immutable(uint256)

# By claim id and slot.
entry: public(HashMap[bytes32, HashMap[uint256, IAudits.Entry]])


@deploy
def __init__(payment_token: address, pay_bps: uint256):
    assert payment_token.is_contract, "audits: payment token is not a contract"
    assert pay_bps <= rounds.RATE_BPS * audit_book.SLOTS, "audits: pay above the price"
    PAYMENT_TOKEN = payment_token
    PAY_BPS = pay_bps


# ------------------------------------------------------------------
#                              MOVES
# ------------------------------------------------------------------


@external
def commit(place: IAudits.Place, commitment: bytes32):
    """
    @notice Drawn auditor: commit to a witness, as `commitment` computes it.
    """
    audit_book._check_drawn(place)
    claim_id: bytes32 = claims.claim_id(place.batch_id, place.index)
    audit_book._check_time(place.batch_id, 0, audit_book.COMMITS)
    assert not audit_book.audits[claim_id].excused, "audits: claim is private"
    assert self.entry[claim_id][place.slot].state == 0, "audits: slot is taken"
    seat: uint256 = rounds._seat(place)
    since: uint256 = seats._occupy(seat, rounds.rounds[place.round].begun_at)
    self.entry[claim_id][place.slot] = IAudits.Entry(
        auditor=msg.sender, seat=seat, since=since, commitment=commitment, state=COMMITTED
    )
    if audit_book.audits[claim_id].first == empty(address):
        audit_book.audits[claim_id].first = msg.sender
        extcall ISettlement(audit_book.SETTLEMENT).keep_payment(place.batch_id, place.index)
    log IAudits.Committed(
        claim_id=claim_id,
        provider=audit_book._provider(place.batch_id),
        auditor=msg.sender,
        batch_id=place.batch_id,
        index=place.index,
        slot=place.slot,
        commitment=commitment,
    )


@external
def vouch(batch_id: bytes32, index: uint256, shown: IAudits.Shown, witness: bytes32):
    """
    @notice Provider: state the witness of a claim that auditors have committed to.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    assert audit_book.audits[claim_id].first != empty(address), "audits: nobody has committed"
    assert not audit_book.audits[claim_id].excused, "audits: claim is private"
    assert audit_book.audits[claim_id].witness == empty(bytes32), "audits: vouched already"
    assert witness != empty(bytes32), "audits: no witness"
    audit_book._check_time(batch_id, audit_book.COMMITS, audit_book.VOUCHES)
    audit_book._check_shown(batch_id, index, shown)
    token_index: uint256 = audit_book._last_token(shown)
    embeds: bool = claims.embeds(shown.model.gumbel_table)
    audit_book.audits[claim_id].witness = witness
    audit_book.audits[claim_id].witness_leaves = 0 if embeds else convert(shown.model.n_steps, uint256)
    audit_book.audits[claim_id].token_index = token_index
    log IAudits.Vouched(
        claim_id=claim_id, provider=msg.sender, witness=witness, token_index=token_index
    )


@external
def expire_vouch(batch_id: bytes32, index: uint256):
    """
    @notice Anyone: the provider has not vouched in time; the claim is lost.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    first: address = audit_book.audits[claim_id].first
    assert first != empty(address), "audits: nobody has committed"
    assert not audit_book.audits[claim_id].excused, "audits: claim is private"
    assert audit_book.audits[claim_id].witness == empty(bytes32), "audits: vouched already"
    assert block.timestamp > audit_book._deadline(batch_id, audit_book.VOUCHES), "audits: provider has time"
    audit_book._fail(batch_id, index, first, "not vouched")


@external
def reveal(batch_id: bytes32, index: uint256, slot: uint256, witness: bytes32, salt: bytes32):
    """
    @notice Auditor: open the commitment.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    entry: IAudits.Entry = self.entry[claim_id][slot]
    vouched: bytes32 = audit_book.audits[claim_id].witness
    assert entry.auditor == msg.sender, "audits: caller has not committed"
    assert entry.state == COMMITTED, "audits: revealed already"
    assert vouched != empty(bytes32), "audits: not vouched"
    audit_book._check_time(batch_id, 0, audit_book.REVEALS)
    assert entry.commitment == self._commitment(claim_id, slot, msg.sender, witness, salt), (
        "audits: does not open the commitment"
    )
    agrees: bool = witness == vouched
    self.entry[claim_id][slot].state = AGREES if agrees else DISSENTS
    log IAudits.Revealed(
        claim_id=claim_id, auditor=msg.sender, slot=slot, witness=witness, agrees=agrees
    )


@external
def expose(
    game_id: bytes32,
    standing: IDisputeGame.Record,
    leaf: bytes32,
    path: DynArray[bytes32, 32],
):
    """
    @notice Anyone: the provider answered a game with another trace than it vouched for; the
            claim is lost, to the game's challenger.
    @dev The game goes on and ends as it may: a provider that answers rightly at last keeps
         the challenger's bond, which is less than the reward.
    """
    self._check_standing(game_id, standing)
    index: uint256 = (standing.opener >> 160) & (2**32 - 1)
    audit: IAudits.Audit = audit_book.audits[claims.claim_id(standing.batch_id, index)]
    assert audit.witness != empty(bytes32), "audits: not vouched"
    assert (standing.opener >> 192) & (2**32 - 1) == audit.token_index, "audits: another token"
    assert standing.trace_root != empty(bytes32), "audits: game is not answered"
    depth: uint256 = merkle.depth_of(audit.witness_leaves)
    assert len(path) == depth, "audits: wrong path length"
    last: uint256 = max(audit.witness_leaves, 1) - 1
    assert merkle.climb(leaf, last, path, 0, depth) == standing.trace_root, (
        "audits: not in the game's trace"
    )
    assert leaf != audit.witness, "audits: as vouched"
    challenger: address = convert(standing.opener & (2**160 - 1), address)
    audit_book._fail(standing.batch_id, index, challenger, "two traces")


@external
def settle(batch_id: bytes32, index: uint256, slot: uint256):
    """
    @notice Anyone, once the claim has ended (at once after the reveals if nothing was
            revealed): pay the auditor, or take its seat's deposit, or let it go.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    entry: IAudits.Entry = self.entry[claim_id][slot]
    assert entry.state != 0 and entry.state != SETTLED, "audits: nothing to settle"
    self.entry[claim_id][slot].state = SETTLED
    forfeited: bool = False
    if self._deserves_loss(batch_id, index, entry):
        forfeited = seats._forfeit(entry.seat, entry.since, audit_book._provider(batch_id))
    else:
        seats._release(entry.seat, entry.since)
    paid: uint256 = 0
    if entry.state == AGREES:
        paid = self._pay(batch_id, claim_id, entry.auditor)
    log IAudits.Settled(
        claim_id=claim_id, auditor=entry.auditor, slot=slot, paid=paid, forfeited=forfeited
    )


# ------------------------------------------------------------------
#                             INTERNAL
# ------------------------------------------------------------------


@view
@internal
def _check_standing(game_id: bytes32, record: IDisputeGame.Record):
    """
    @notice The record is what the game stands at.
    """
    game: address = staticcall ISettlement(audit_book.SETTLEMENT).game()
    standing: bytes32 = staticcall IDisputeGame(game).standing(game_id)
    assert keccak256(abi_encode(record)) == standing, "audits: other record"


@view
@internal
def _deserves_loss(batch_id: bytes32, index: uint256, entry: IAudits.Entry) -> bool:
    """
    @notice Whether an entry was not opened, or disputes a claim that stands. Reverts while
            neither can be said.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    if entry.state == COMMITTED:
        vouched: bool = audit_book.audits[claim_id].witness != empty(bytes32)
        if not audit_book.audits[claim_id].excused:
            self._check_over(batch_id, audit_book.REVEALS if vouched else audit_book.VOUCHES)
        return vouched
    status: uint8 = audit_book._status(batch_id, index)
    if status == audit_book.OPEN:
        # Neither paid nor given up by its provider: it stands once no game can change that.
        self._check_over(batch_id, audit_book.WINDOW)
        game: address = staticcall ISettlement(audit_book.SETTLEMENT).game()
        assert staticcall IDisputeGame(game).open_games(claim_id) == 0, "audits: a game is open"
        # An agreeing auditor waits for its pay, or goes without.
        assert entry.state == DISSENTS or msg.sender == entry.auditor, "audits: claim is open"
    stands: bool = status == audit_book.OPEN or status == FINALISED or status == ABANDONED
    return entry.state == DISSENTS and stands


@view
@internal
def _check_over(batch_id: bytes32, eighths: uint256):
    assert block.timestamp > audit_book._deadline(batch_id, eighths), "audits: too early to settle"


@internal
def _pay(batch_id: bytes32, claim_id: bytes32, auditor: address) -> uint256:
    """
    @notice Pay for agreeing about a claim; nothing where the claim was paid nothing. Reverts
            while the fees that have come in do not suffice.
    """
    amount: uint256 = self._pay_of(claim_id)
    if amount > 0:
        held: uint256 = staticcall IERC20(PAYMENT_TOKEN).balanceOf(self)
        assert amount <= held, "audits: fund is too small"
        assert extcall IERC20(PAYMENT_TOKEN).transfer(auditor, amount, default_return_value=True), (
            "audits: payment failed"
        )
    return amount


@view
@internal
def _pay_of(claim_id: bytes32) -> uint256:
    """
    @dev A claim is drawn with a chance of rate / 10,000 and then pays `slots` auditors: on
         average that is pay_bps / 10,000 of what it was paid.
    """
    paid: uint256 = staticcall ISettlement(audit_book.SETTLEMENT).paid_for(claim_id)
    return paid * PAY_BPS // (rounds.RATE_BPS * audit_book.SLOTS)


@view
@internal
def _commitment(
    claim_id: bytes32, slot: uint256, auditor: address, witness: bytes32, salt: bytes32
) -> bytes32:
    return keccak256(abi_encode(chain.id, self, claim_id, slot, auditor, witness, salt))
