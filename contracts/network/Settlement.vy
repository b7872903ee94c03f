# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Settlement: batches of claims, their window, their conviction and their payment
@license AGPL-3.0-only
@notice A provider posts the Merkle root of many receipts in one transaction; that locks the
        slash of every one of them. For `window_seconds` anyone may open games against any
        claim. A claim that no game has convicted, with none left open, is then paid: the
        receipt is shown, with the job that the consumer signed. Each job is paid once.
        A convicted claim costs its provider the slash: part goes to the game's opener, the
        rest is burned.
        What holds for a claim is fixed before it is posted: the game, the parameters and
        the payment contract are immutable, the verifier is the model's for ever.
@custom:kill Nothing stops the settlement. The deployer names the game once.
"""

from snekmate.utils import eip712_domain_separator

from ..interfaces import IDisputeGame
from ..interfaces import IModelRegistry
from ..interfaces import IPayment
from ..interfaces import IProviderRegistry
from ..interfaces import ISettlement
from ..interfaces import Types
from ..modules import claim_form
from ..modules import claims
from ..modules import jobs
from ..modules import one_shot

implements: ISettlement
initializes: eip712_domain_separator
initializes: one_shot

exports: eip712_domain_separator.eip712Domain


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# Claim status.
OPEN: constant(uint8) = 0
FINALISED: constant(uint8) = 1
CONVICTED: constant(uint8) = 2
ABANDONED: constant(uint8) = 3

MIN_WINDOW_SECONDS: constant(uint256) = 10
MAX_WINDOW_SECONDS: constant(uint256) = 30 * 86_400

# Half at most: a provider that convicts itself through a puppet burns the other half.
MAX_REWARD_BPS: constant(uint256) = 5_000
BPS: constant(uint256) = 10_000

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

batch: public(HashMap[bytes32, ISettlement.Batch])

# How many batches a provider has posted.
next_nonce: public(HashMap[address, uint256])

# By claim id.
status: public(HashMap[bytes32, uint8])

# By job id.
paid: public(HashMap[bytes32, bool])


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
    self.batch[batch_id] = ISettlement.Batch(
        provider=msg.sender, root=root, count=count, posted_at=block.timestamp
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
    return self._finalise(
        batch_id,
        ISettlement.Finalisation(
            index=index, receipt=receipt, proof=proof, job=job, signature=signature
        ),
    )


@external
def finalise_many(batch_id: bytes32, items: DynArray[ISettlement.Finalisation, 16]) -> uint256:
    """
    @notice As `finalise`, for several claims of a batch, all or nothing.
    @return What was paid in all.
    """
    paid: uint256 = 0
    for claim: ISettlement.Finalisation in items:
        paid += self._finalise(batch_id, claim)
    return paid


@external
def abandon(batch_id: bytes32, index: uint256):
    """
    @notice Provider, after the window and with no game open: give up the payment of a
            claim (that cannot be finalised) and release its slash.
    """
    batch: ISettlement.Batch = self.batch[batch_id]
    assert msg.sender == batch.provider, "settlement: caller is not the provider"
    assert index < batch.count, "settlement: no such claim"
    claim_id: bytes32 = self._end(batch_id, index, batch, ABANDONED)
    log ISettlement.ClaimAbandoned(claim_id=claim_id, batch_id=batch_id, index=index)


@external
def convict(batch_id: bytes32, index: uint256, opener: address):
    """
    @notice Dispute game only: a claim is wrong. Slashes its provider, rewards the opener.
    """
    assert msg.sender == one_shot.target, "settlement: caller is not the game"
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    # INVARIANT: games open within the window only and hold off its end, so a claim in a
    # game is open, and its slash is locked.
    assert self.status[claim_id] == OPEN, "settlement: claim is not open"
    self.status[claim_id] = CONVICTED
    reward: uint256 = slash_per_claim * reward_bps // BPS
    extcall IProviderRegistry(providers).slash(
        self.batch[batch_id].provider, slash_per_claim, reward, opener
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
    batch: ISettlement.Batch = self.batch[batch_id]
    assert batch.provider != empty(address), "settlement: no such batch"
    assert block.timestamp <= batch.posted_at + window_seconds, "settlement: window is over"
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
    token: Types.TokenOpening,
    previous: Types.TokenOpening,
) -> bool:
    """
    @notice Whether the claim's output is well-formed around its disputed token, whatever
            the model computes.
    @return True; where it is not, the call reverts and says why.
    """
    claim_form.check(pass_, ending, token, previous)
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
    posted_at: uint256 = self.batch[batch_id].posted_at
    return 0 if posted_at == 0 else posted_at + window_seconds


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
def _finalise(batch_id: bytes32, claim: ISettlement.Finalisation) -> uint256:
    batch: ISettlement.Batch = self.batch[batch_id]
    receipt: Types.Receipt = claim.receipt
    job: Types.Job = claim.job
    assert claims.is_in_batch(receipt, claim.index, batch.count, batch.root, claim.proof), (
        "settlement: receipt not in the batch"
    )
    assert receipt.job_id == self._job_id(job), "settlement: wrong job"
    jobs.check_terms(job, receipt, batch.provider, batch.posted_at)
    jobs.check_signature(job.consumer, receipt.job_id, claim.signature)
    self._check_model(job.model_root, batch.posted_at)
    assert not self.paid[receipt.job_id], "settlement: job is paid already"
    self.paid[receipt.job_id] = True
    claim_id: bytes32 = self._end(batch_id, claim.index, batch, FINALISED)
    paid: uint256 = extcall IPayment(payment).pay(
        receipt.job_id,
        job.consumer,
        job.provider,
        receipt.price,
        self._credit_cap(job, receipt.output_tokens),
        batch.posted_at,
    )
    log ISettlement.ClaimFinalised(
        claim_id=claim_id,
        job_id=receipt.job_id,
        batch_id=batch_id,
        index=claim.index,
        consumer=job.consumer,
        provider=job.provider,
        price=receipt.price,
        paid=paid,
    )
    return paid


@internal
def _end(
    batch_id: bytes32, index: uint256, batch: ISettlement.Batch, status: uint8
) -> bytes32:
    """
    @notice End a claim that nobody has convicted, and release its slash.
    """
    claim_id: bytes32 = claims.claim_id(batch_id, index)
    assert block.timestamp > batch.posted_at + window_seconds, "settlement: window still open"
    assert self.status[claim_id] == OPEN, "settlement: claim is not open"
    assert staticcall IDisputeGame(one_shot.target).open_games(claim_id) == 0, (
        "settlement: a game is open"
    )
    self.status[claim_id] = status
    extcall IProviderRegistry(providers).unlock(batch.provider, slash_per_claim)
    return claim_id


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
