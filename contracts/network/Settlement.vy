# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Settlement: batches of claims, their window, their conviction and their payment
@license AGPL-3.0-only
@notice A provider posts the Merkle root of many receipts in one transaction; that locks the
        slash of every one of them. For `window_seconds` anyone may open games against any
        claim. A claim that no game has convicted, with none left open, is then paid: the
        receipt is shown, with the job that the consumer signed. Of the jobs of a consumer
        for a provider one is paid for each nonce.
        A convicted claim costs its provider the slash: part goes to the game's opener, the
        rest is burned.
        A provider that finds a claim of its own wrong (hardware fails) may take it back in
        the first eighth of the window: nobody is charged, and a twentieth of the slash
        burns. The audits draw no claim before that, and challengers hold their games back
        until then: so it decides without having seen who checks (`withdraw_claim`).
        What holds for a claim is fixed before it is posted: the game, the parameters and
        the payment contract are immutable, the verifier is the model's for ever.
@custom:kill Nothing stops the settlement. The deployer names the audits and the game once;
        where it names no audits before the game, there are none for ever.
"""

from snekmate.utils import eip712_domain_separator

from ..interfaces import IAudits
from ..interfaces import IDisputeGame
from ..interfaces import IModelRegistry
from ..interfaces import IPayment
from ..interfaces import IProviderRegistry
from ..interfaces import ISettlement
from ..interfaces import Types
from ..modules import batches
from ..modules import claim_form
from ..modules import claims
from ..modules import jobs
from ..modules import merkle
from ..modules import one_shot

implements: ISettlement
initializes: eip712_domain_separator
initializes: one_shot
initializes: batches

exports: (
    eip712_domain_separator.eip712Domain,
    batches.batch,
    batches.status,
    batches.paid,
)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# Claim status.
OPEN: constant(uint8) = 0
FINALISED: constant(uint8) = 1
CONVICTED: constant(uint8) = 2
ABANDONED: constant(uint8) = 3
WITHDRAWN: constant(uint8) = 4

MIN_WINDOW_SECONDS: constant(uint256) = 10
MAX_WINDOW_SECONDS: constant(uint256) = 30 * 86_400

# Half at most: a provider that convicts itself through a puppet burns the other half.
MAX_REWARD_BPS: constant(uint256) = 5_000
BPS: constant(uint256) = 10_000

# In this part of the window, and for this part of the slash, a claim can be taken back.
WITHDRAWAL_PART: constant(uint256) = 8
WITHDRAWAL_FEE_BPS: constant(uint256) = 500

MAX_SLASH: constant(uint256) = 2**128
MAX_COUNT: constant(uint256) = 2**32 - 1


# ------------------------------------------------------------------
#                             IMMUTABLES
# ------------------------------------------------------------------

models: public(immutable(address))
providers: public(immutable(address))
payment: public(immutable(address))
window_seconds: public(immutable(uint256))
slash_per_claim: public(immutable(uint256))
reward_bps: public(immutable(uint256))


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

# How many batches a provider has posted.
next_nonce: public(HashMap[address, uint256])

# The audits; zero where there are none.
audits: public(address)

# By claim id, where `keep_payment` has asked for it.
paid_for: public(HashMap[bytes32, uint256])


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(
    models_: address,
    providers_: address,
    payment_: address,
    window_seconds_: uint256,
    slash_per_claim_: uint256,
    reward_bps_: uint256,
):
    """
    @param models_ ModelRegistry.
    @param providers_ ProviderRegistry.
    @param payment_ An IPayment: CreditLedger.
    @param window_seconds_ How long after its batch a claim can be challenged: 10 s to 30 days.
    @param slash_per_claim_ Bond-token units that a convicted claim costs: up to 2**128.
    @param reward_bps_ Share of the slash that goes to the opener: 1 to 5,000 bps.
    """
    assert MIN_WINDOW_SECONDS <= window_seconds_, "settlement: window too short"
    assert window_seconds_ <= MAX_WINDOW_SECONDS, "settlement: window too long"
    assert 0 < slash_per_claim_, "settlement: no slash"
    assert slash_per_claim_ <= MAX_SLASH, "settlement: slash too large"
    assert 0 < reward_bps_, "settlement: no reward"
    assert reward_bps_ <= MAX_REWARD_BPS, "settlement: reward too large"
    assert models_.is_contract, "settlement: models is not a contract"
    assert providers_.is_contract, "settlement: providers is not a contract"
    assert payment_.is_contract, "settlement: payment is not a contract"
    eip712_domain_separator.__init__("Assay", "1")
    one_shot.__init__()
    models = models_
    providers = providers_
    payment = payment_
    window_seconds = window_seconds_
    slash_per_claim = slash_per_claim_
    reward_bps = reward_bps_


@external
def set_audits(audits: address):
    """
    @notice Deployer, once and before the game is named: name the audits.
    """
    assert msg.sender == one_shot.DEPLOYER, "one_shot: caller is not the deployer"
    assert one_shot.target == empty(address), "settlement: game is set"
    assert self.audits == empty(address), "one_shot: already set"
    assert audits.is_contract, "one_shot: not a contract"
    assert staticcall IAudits(audits).settlement() == self, (
        "settlement: audits name another settlement"
    )
    self.audits = audits
    log ISettlement.AuditsSet(audits=audits)


@external
def set_game(game: address):
    """
    @notice Deployer, once: name the dispute game. Checks that the game names this
            settlement and that all delays outlast window and longest game.
    """
    one_shot._set(game)
    self._check_links(game)
    log ISettlement.GameSet(game=game)


@view
@internal
def _check_links(game: address):
    """
    @notice All parts name each other, and no bond or deposit can leave while a claim that
            it backs may still be convicted or paid.
    """
    assert staticcall IDisputeGame(game).settlement() == self, (
        "settlement: game names another settlement"
    )
    assert staticcall IProviderRegistry(providers).settlement() == self, (
        "settlement: providers name another settlement"
    )
    assert staticcall IPayment(payment).settlement() == self, (
        "settlement: payment names another settlement"
    )
    longest: uint256 = window_seconds + staticcall IDisputeGame(game).longest_game_seconds()
    assert staticcall IProviderRegistry(providers).unbonding_seconds() > longest, (
        "settlement: unbonding too short"
    )
    assert staticcall IPayment(payment).withdrawal_seconds() > longest, (
        "settlement: withdrawal too short"
    )


# ------------------------------------------------------------------
#                              BATCHES
# ------------------------------------------------------------------


@external
def post_batch(root: bytes32, count: uint256) -> bytes32:
    """
    @notice Provider: claim `count` receipts under one Merkle root. Locks the slash of each.
    @return The batch id, as `batch_id` computes it for the provider's next nonce.
    """
    assert one_shot.target != empty(address), "settlement: game is not set"
    assert count > 0, "settlement: empty batch"
    assert count <= MAX_COUNT, "settlement: batch too large"
    nonce: uint256 = self.next_nonce[msg.sender]
    batch_id: bytes32 = self._batch_id(msg.sender, root, count, nonce)
    self.next_nonce[msg.sender] = nonce + 1
    batches._store(
        batch_id,
        ISettlement.Batch(
            provider=msg.sender, root=root, count=count, posted_at=block.timestamp
        ),
    )
    extcall IProviderRegistry(providers).lock(msg.sender, count * slash_per_claim)
    log ISettlement.BatchPosted(
        batch_id=batch_id,
        provider=msg.sender,
        root=root,
        count=count,
        nonce=nonce,
        challenge_until=block.timestamp + window_seconds,
    )
    return batch_id


# ------------------------------------------------------------------
#                          END OF A CLAIM
# ------------------------------------------------------------------


@external
def finalise(
    batch_id: bytes32,
    index: uint256,
    receipt: Types.Receipt,
    proof: DynArray[bytes32, 32],
    job: Types.Job,
    signature: Bytes[65],
) -> uint256:
    """
    @notice Anyone, after the window and with no game open: pay a claim, release its slash.
    @param signature The consumer's signature of the job (EOA, or ERC-1271 contract).
    @return What was paid, in payment-token units.
    """
    batch: ISettlement.Batch = batches._batch(batch_id)
    assert claims.is_in_batch(receipt, index, batch.count, batch.root, proof), (
        "settlement: receipt not in the batch"
    )
    paid: uint256 = self._finalise(
        batch_id,
        batch,
        index,
        ISettlement.Finalisation(receipt=receipt, job=job, signature=signature),
    )
    self._unlock(batch.provider, 1)
    return paid


@external
def finalise_many(
    batch_id: bytes32,
    first: uint256,
    items: DynArray[ISettlement.Finalisation, 16],
    path: DynArray[bytes32, 64],
) -> uint256:
    """
    @notice As `finalise`, for claims of a batch that lie side by side, all or nothing.
    @param first The index of the first one.
    @param path One proof for all: the nodes beside theirs, from the leaves up, left before right.
    @return What was paid in all.
    """
    batch: ISettlement.Batch = batches._batch(batch_id)
    leaves: DynArray[bytes32, 16] = []
    for claim: ISettlement.Finalisation in items:
        leaves.append(merkle.receipt_leaf(abi_encode(claim.receipt)))
    assert claims.are_in_batch(leaves, first, batch.count, batch.root, path), (
        "settlement: receipt not in the batch"
    )
    paid: uint256 = 0
    index: uint256 = first
    for claim: ISettlement.Finalisation in items:
        paid += self._finalise(batch_id, batch, index, claim)
        index += 1
    self._unlock(batch.provider, len(items))
    return paid


@external
def abandon(batch_id: bytes32, index: uint256):
    """
    @notice Provider, after the window and with no game open: give up the payment of a
            claim (that cannot be finalised) and release its slash.
    """
    batch: ISettlement.Batch = batches._batch(batch_id)
    assert msg.sender == batch.provider, "settlement: caller is not the provider"
    assert index < batch.count, "settlement: no such claim"
    assert block.timestamp > batch.posted_at + window_seconds, "settlement: window still open"
    claim_id: bytes32 = self._end(batch_id, index, ABANDONED)
    self._unlock(batch.provider, 1)
    log ISettlement.ClaimAbandoned(claim_id=claim_id, batch_id=batch_id, index=index)


@external
def withdraw_claim(batch_id: bytes32, index: uint256):
    """
    @notice Provider, in the first eighth of the window and with no game open: take back a
            claim that it has found wrong. It is never paid; a twentieth of its slash is
            burned, the rest released.
    @dev SAFETY: whoever opens a game in this time lets its provider out for the fee, if the
         provider's transaction comes first. Challengers wait; no draw covers the claim yet.
         So a cheat decides before it can know, and by taking back all that it cheated on it
         has paid the fee and earned nothing.
    """
    batch: ISettlement.Batch = batches._batch(batch_id)
    assert msg.sender == batch.provider, "settlement: caller is not the provider"
    assert index < batch.count, "settlement: no such claim"
    assert block.timestamp <= self._withdrawal_until(batch.posted_at), (
        "settlement: too late to withdraw"
    )
    claim_id: bytes32 = self._end(batch_id, index, WITHDRAWN)
    fee: uint256 = slash_per_claim * WITHDRAWAL_FEE_BPS // BPS
    extcall IProviderRegistry(providers).slash(batch.provider, fee, 0, batch.provider)
    extcall IProviderRegistry(providers).unlock(batch.provider, slash_per_claim - fee)
    log ISettlement.ClaimWithdrawn(claim_id=claim_id, batch_id=batch_id, index=index, fee=fee)


@external
def keep_payment(batch_id: bytes32, index: uint256):
    """
    @notice Audits only: what this claim will be paid must be readable afterwards.
    """
    assert msg.sender == self.audits, "settlement: caller is not the audits"
    batches._keep_payment(batch_id, index)


@external
def convict(batch_id: bytes32, index: uint256, opener: address):
    """
    @notice Dispute game and audits only: a claim is wrong, or its provider did not answer
            for it. Slashes the provider, rewards the opener.
    """
    assert msg.sender == one_shot.target or msg.sender == self.audits, (
        "settlement: caller is not the game"
    )
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    # A game may go on about a claim that the audits have convicted: it ends as any other,
    # and there is nothing left to slash.
    if batches._status(batch_id, index) == CONVICTED and msg.sender == one_shot.target:
        return
    # INVARIANT: games open within the window only and hold off its end, so a claim in a
    # game is open, and its slash is locked.
    assert batches._status(batch_id, index) == OPEN, "settlement: claim is not open"
    batches._set_status(batch_id, index, CONVICTED)
    reward: uint256 = slash_per_claim * reward_bps // BPS
    extcall IProviderRegistry(providers).slash(
        batches._batch(batch_id).provider, slash_per_claim, reward, opener
    )
    log ISettlement.ClaimConvicted(
        claim_id=claim_id,
        batch_id=batch_id,
        opener=opener,
        index=index,
        slashed=slash_per_claim,
        reward=reward,
    )


# ------------------------------------------------------------------
#                      WHAT A GAME IS ABOUT
# ------------------------------------------------------------------


@view
@external
def disputed(
    batch_id: bytes32,
    index: uint256,
    receipt: Types.Receipt,
    proof: DynArray[bytes32, 32],
    job: Types.Job,
    model: Types.Model,
    token_index: uint32,
) -> ISettlement.Disputed:
    """
    @notice Who made and who verifies output token `token_index` of a claim, and the terms
            of a game about it. Reverts unless the claim can be challenged now and receipt, job and
            model are the claim's.
    @dev What is asked here, `finalise` asks, too: no payable claim is beyond challenge. A
         claim of no output can be challenged at token 0.
    """
    batch: ISettlement.Batch = batches._batch(batch_id)
    assert batch.provider != empty(address), "settlement: no such batch"
    assert block.timestamp <= batch.posted_at + window_seconds, "settlement: window is over"
    assert batches._status(batch_id, index) != WITHDRAWN, "settlement: claim is withdrawn"
    assert claims.is_in_batch(receipt, index, batch.count, batch.root, proof), (
        "settlement: receipt not in the batch"
    )
    assert receipt.job_id == self._job_id(job), "settlement: wrong job"
    model_root: bytes32 = claims.model_root(model)
    assert model_root == job.model_root, "settlement: wrong model"
    verifier: address = staticcall IModelRegistry(models).verifier_of(model_root)
    assert verifier != empty(address), "settlement: model is not registered"
    assert token_index < max(receipt.output_tokens, 1), "settlement: no such token"
    return ISettlement.Disputed(
        provider=batch.provider,
        verifier=verifier,
        terms=claim_form.terms(model, job, receipt, token_index),
    )


@pure
@external
def check_output(
    pass_: Types.ForwardPass,
    ending: ISettlement.Ending,
    trace_root: bytes32,
    token: Types.TokenOpening,
    previous: Types.TokenOpening,
) -> bool:
    """
    @notice Whether the claim's output is well-formed around its disputed token, whatever
            the model computes, or its embedding the output of the trace's last step.
    @return True; where it is not, the call reverts and says why.
    """
    claim_form.check(pass_, ending, trace_root, token, previous)
    return True


# ------------------------------------------------------------------
#                               VIEWS
# ------------------------------------------------------------------


@view
@external
def challenge_until(batch_id: bytes32) -> uint256:
    """
    @notice The last second in which a game may open; 0 for an unknown batch.
    """
    posted_at: uint256 = batches._batch(batch_id).posted_at
    return 0 if posted_at == 0 else posted_at + window_seconds


@view
@external
def withdrawal_until(batch_id: bytes32) -> uint256:
    """
    @notice The last second in which a claim can be taken back; 0 for an unknown batch.
    """
    posted_at: uint256 = batches._batch(batch_id).posted_at
    return 0 if posted_at == 0 else self._withdrawal_until(posted_at)


@view
@external
def batch_id(provider: address, root: bytes32, count: uint256, nonce: uint256) -> bytes32:
    return self._batch_id(provider, root, count, nonce)


@view
@external
def claim_id(batch_id: bytes32, index: uint256) -> bytes32:
    return claims.claim_id(batch_id, index)


@view
@external
def job_id(job: Types.Job) -> bytes32:
    """
    @notice EIP-712 digest of a job.
    """
    return self._job_id(job)


@view
@external
def price(job: Types.Job, output_tokens: uint32) -> uint256:
    """
    @notice What a job costs in payment-token units, rounded up.
    """
    return jobs.price(job, output_tokens)


@view
@external
def verifier_of(model_root: bytes32) -> address:
    """
    @notice The step verifier of a registered model; zero for an unknown one.
    """
    return staticcall IModelRegistry(models).verifier_of(model_root)


@view
@external
def game() -> address:
    return one_shot.target


# ------------------------------------------------------------------
#                              INTERNAL
# ------------------------------------------------------------------


@internal
def _finalise(
    batch_id: bytes32,
    batch: ISettlement.Batch,
    index: uint256,
    claim: ISettlement.Finalisation,
) -> uint256:
    """
    @dev The caller has checked that the receipt is in the batch, and releases the slash.
    """
    receipt: Types.Receipt = claim.receipt
    job: Types.Job = claim.job
    assert receipt.job_id == self._job_id(job), "settlement: wrong job"
    jobs.check_terms(job, receipt, batch.provider, batch.posted_at)
    jobs.check_signature(job.consumer, receipt.job_id, claim.signature)
    self._check_model(job.model_root, batch.posted_at)
    # INVARIANT: a job is one consumer's for one provider, so its nonce stands for it.
    assert not batches._is_paid(job.consumer, job.provider, job.nonce), (
        "settlement: job is paid already"
    )
    batches._set_paid(job.consumer, job.provider, job.nonce)
    assert block.timestamp > batch.posted_at + window_seconds, "settlement: window still open"
    claim_id: bytes32 = self._end(batch_id, index, FINALISED)
    paid: uint256 = extcall IPayment(payment).pay(
        receipt.job_id,
        job.consumer,
        job.provider,
        receipt.price,
        self._credit_cap(job, receipt.output_tokens),
        batch.posted_at,
    )
    if batches._keeps_payment(batch_id, index):
        self.paid_for[claim_id] = paid
    log ISettlement.ClaimFinalised(
        claim_id=claim_id,
        job_id=receipt.job_id,
        batch_id=batch_id,
        index=index,
        consumer=job.consumer,
        provider=job.provider,
        price=receipt.price,
        paid=paid,
    )
    return paid


@internal
def _end(batch_id: bytes32, index: uint256, status: uint8) -> bytes32:
    """
    @notice End a claim that nobody has convicted; the caller sees to its slash.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    assert batches._status(batch_id, index) == OPEN, "settlement: claim is not open"
    assert staticcall IDisputeGame(one_shot.target).open_games(claim_id) == 0, (
        "settlement: a game is open"
    )
    batches._set_status(batch_id, index, status)
    return claim_id


@internal
def _unlock(provider: address, count: uint256):
    """
    @notice Release the slash of so many claims that have ended.
    """
    extcall IProviderRegistry(providers).unlock(provider, count * slash_per_claim)


@view
@internal
def _withdrawal_until(posted_at: uint256) -> uint256:
    return posted_at + window_seconds // WITHDRAWAL_PART


@view
@internal
def _check_model(model_root: bytes32, posted_at: uint256):
    """
    @notice The model was registered when the batch was posted: a challenger needs its header.
    """
    registered_at: uint256 = staticcall IModelRegistry(models).registered_at(model_root)
    assert registered_at > 0 and registered_at <= posted_at, (
        "settlement: model was not registered"
    )


@view
@internal
def _credit_cap(job: Types.Job, output_tokens: uint32) -> uint256:
    """
    @notice What the same tokens cost at the model's reference price: most that credit pays.
    """
    price_input: uint64 = 0
    price_output: uint64 = 0
    price_input, price_output = staticcall IModelRegistry(models).reference_price(job.model_root)
    return jobs.price_at(job, output_tokens, price_input, price_output)


@view
@internal
def _job_id(job: Types.Job) -> bytes32:
    return eip712_domain_separator._hash_typed_data_v4(jobs.struct_hash(job))


@view
@internal
def _batch_id(provider: address, root: bytes32, count: uint256, nonce: uint256) -> bytes32:
    """
    @dev Content only: after a reorganisation the same batch has the same id.
    """
    return keccak256(abi_encode(chain.id, self, provider, root, count, nonce))
