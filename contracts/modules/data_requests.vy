# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title Demands for data: what a provider gives no auditor, it must publish
@license AGPL-3.0-only
@notice Providers hand a claim's data to auditors over HTTP, encrypted to the auditor's key
        where the job says so. A drawn auditor that gets nothing, or nothing that fits the
        batch, demands it here: receipt, job and model, then all tokens, each checked against the
        roots that the consumer has signed and the provider has claimed. There is no arguing
        about ciphertext: what comes is the data or it is not.
        The demand costs a bond, and the provider keeps it for complete data; so demanding for
        fun feeds the provider. One demand a claim, by those whom it was drawn for: the same
        auditors could publish what they were given, so it reveals nothing to anybody that
        they could not.
        INVARIANT: the contract holds a bond for each claim that has a requester.
"""

from ..interfaces import IAudits
from . import audit_book
from . import claims
from . import publication
from . import rounds
from . import seats

uses: audit_book
uses: rounds
uses: seats

PRIVATE: constant(uint8) = 2
PROMPT: constant(uint256) = 0
OUTPUT: constant(uint256) = 1

REQUEST_BOND: immutable(uint256)


@deploy
def __init__(request_bond: uint256):
    assert 0 < request_bond, "audits: no request bond"
    REQUEST_BOND = request_bond


# ------------------------------------------------------------------
#                              MOVES
# ------------------------------------------------------------------


@external
def request_data(place: IAudits.Place):
    """
    @notice Drawn auditor that the provider gives no data: demand them on chain.
    """
    audit_book._check_drawn(place)
    seats._check_holder(rounds._seat(place), rounds.rounds[place.round].begun_at)
    claim_id: bytes32 = claims.claim_id(place.batch_id, place.index)
    audit_book._check_time(place.batch_id, 0, audit_book.REQUESTS)
    assert audit_book.audits[claim_id].requester == empty(address), "audits: data is requested"
    assert not self._published(claim_id), "audits: data is published"
    audit_book.audits[claim_id].requester = msg.sender
    seats._collect(REQUEST_BOND)
    log IAudits.DataRequested(
        claim_id=claim_id,
        provider=audit_book._provider(place.batch_id),
        auditor=msg.sender,
        batch_id=place.batch_id,
        index=place.index,
        answer_until=audit_book._deadline(place.batch_id, audit_book.ANSWERS),
    )


@external
def show(batch_id: bytes32, index: uint256, shown: IAudits.Shown):
    """
    @notice Provider: show what the claim is. Excuses it from audits if its job is private.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    requester: address = audit_book.audits[claim_id].requester
    asked: bool = requester != empty(address)
    assert asked or audit_book.audits[claim_id].first != empty(address), "audits: nobody asks"
    assert not audit_book.audits[claim_id].shown, "audits: claim is shown"
    audit_book._check_time(batch_id, 0, audit_book.ANSWERS if asked else audit_book.VOUCHES)
    audit_book._check_shown(batch_id, index, shown)
    excused: bool = shown.job.data_mode == PRIVATE
    if excused:
        audit_book.audits[claim_id].excused = True
        self._end_request(claim_id, requester)
    else:
        self._store_roots(claim_id, shown)
    log IAudits.ClaimShown(claim_id=claim_id, shown=shown, excused=excused)


@external
def publish(
    batch_id: bytes32,
    index: uint256,
    tokens: DynArray[uint32, 256],
    job_salt: bytes32,
    path: DynArray[bytes32, 32],
):
    """
    @notice Provider: the next tokens of a requested claim, first the prompt's, then the
            output's: 256 at once, or all that are left of the list.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    assert audit_book.audits[claim_id].requester != empty(address), "audits: nobody asks"
    assert audit_book.audits[claim_id].shown, "audits: claim is not shown"
    audit_book._check_time(batch_id, 0, audit_book.ANSWERS)
    side: uint256 = 0
    first: uint256 = 0
    side, first = self._check_tokens(claim_id, tokens, job_salt, path)
    audit_book.audits[claim_id].published += len(tokens)
    if self._published(claim_id):
        self._end_request(claim_id, audit_book._provider(batch_id))
    log IAudits.TokensPublished(
        claim_id=claim_id, side=side, first=first, tokens=tokens, job_salt=job_salt
    )


@external
def expire_request(batch_id: bytes32, index: uint256):
    """
    @notice Anyone: a request has not been answered in time; the claim is lost.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    requester: address = audit_book.audits[claim_id].requester
    assert requester != empty(address), "audits: nobody asks"
    assert block.timestamp > audit_book._deadline(batch_id, audit_book.ANSWERS), "audits: provider has time"
    self._end_request(claim_id, requester)
    # Where a game has convicted the claim meanwhile, only the bond is left to give back.
    if audit_book._status(batch_id, index) == audit_book.OPEN:
        audit_book._fail(batch_id, index, requester, "no data")


# ------------------------------------------------------------------
#                             INTERNAL
# ------------------------------------------------------------------


@internal
def _store_roots(claim_id: bytes32, shown: IAudits.Shown):
    """
    @notice What published tokens are checked against; an embedding publishes its prompt only.
    """
    audit_book.audits[claim_id].shown = True
    audit_book.audits[claim_id].prompt_root = shown.job.prompt_root
    audit_book.audits[claim_id].prompt_tokens = convert(shown.job.prompt_tokens, uint256)
    if not claims.embeds(shown.model.gumbel_table):
        audit_book.audits[claim_id].output_root = shown.receipt.output_root
        audit_book.audits[claim_id].output_tokens = convert(shown.receipt.output_tokens, uint256)


@view
@internal
def _check_tokens(
    claim_id: bytes32,
    tokens: DynArray[uint32, 256],
    job_salt: bytes32,
    path: DynArray[bytes32, 32],
) -> (uint256, uint256):
    """
    @return The side of the tokens that come next, and the first one's place there.
    """
    audit: IAudits.Audit = audit_book.audits[claim_id]
    side: uint256 = PROMPT
    first: uint256 = audit.published
    count: uint256 = audit.prompt_tokens
    root: bytes32 = audit.prompt_root
    if first >= count:
        side = OUTPUT
        first -= count
        count = audit.output_tokens
        root = audit.output_root
    assert publication.opens(count, root, side, first, tokens, job_salt, path), (
        "audits: not the claim's tokens"
    )
    return side, first


@view
@internal
def _published(claim_id: bytes32) -> bool:
    audit: IAudits.Audit = audit_book.audits[claim_id]
    return audit.shown and audit.published == audit.prompt_tokens + audit.output_tokens


@internal
def _end_request(claim_id: bytes32, beneficiary: address):
    """
    @notice The request's bond, where there is one, goes to whoever was right.
    """
    if audit_book.audits[claim_id].requester != empty(address):
        audit_book.audits[claim_id].requester = empty(address)
        seats._send(beneficiary, REQUEST_BOND)
