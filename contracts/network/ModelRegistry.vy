# pragma version 0.4.3
# pragma nonreentrancy on
# pragma evm-version cancun
"""
@title Model registry: which models exist, and who verifies their steps
@license AGPL-3.0-only
@notice A model is its header: roots of program, weights and tables, hashes of tokenizer and
        configuration, a few numbers. Its id is the hash of all that, so nobody can register
        it differently, and a consumer who signs a job signs the very model.
        The spec version in the header says what the opcodes mean. The verifier of a spec
        version is named once and never changes, so a model, and every claim about it, keeps
        its verifier for ever. New opcodes come as a new spec version.
        Claims are payable only for models registered before their batch: a challenger must
        be able to find the header, which the event carries.
        A model may have a reference price: the most that daily credit pays for its tokens, so
        that no credit turns into emission by one overpriced token. Without one a model is paid
        in dollars only.
@custom:kill Nothing stops the registry. The owner can only add verifiers for new spec
             versions, which no registered model uses, and set reference prices, which bound
             what credit pays, not what dollars pay; it can renounce even that.
"""

from snekmate.auth import ownable

from ..interfaces import IModelRegistry
from ..interfaces import Types
from ..modules import claims

implements: IModelRegistry
initializes: ownable

# Owner: adds verifiers of new spec versions, sets reference prices, nothing else.
exports: (ownable.owner, ownable.transfer_ownership, ownable.renounce_ownership)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# A reduction over the context is shown in at most 256 chunks of 512 terms (modules/descent.vy):
# beyond, a provider could not defend a right claim.
MAX_CONTEXT: constant(uint32) = 256 * 512

# $1,000 per million tokens.
MAX_REFERENCE_PRICE: constant(uint64) = 10**9


# What credit pays at most, micro-USD per million tokens.
struct ReferencePrice:
    input: uint64
    output: uint64


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

verifier_of_spec: public(HashMap[uint32, address])
verifier_of: public(HashMap[bytes32, address])
registered_at: public(HashMap[bytes32, uint256])

# By model root; zero for a model without one.
reference_prices: HashMap[bytes32, ReferencePrice]


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(spec_version: uint32, verifier: address, owner_: address):
    """
    @param spec_version The first spec version.
    @param verifier Its step verifier.
    @param owner_ Who adds verifiers and sets reference prices.
    """
    assert owner_ != empty(address), "model_registry: no owner"
    ownable.__init__()
    ownable._transfer_ownership(owner_)
    self._add_verifier(spec_version, verifier)


# ------------------------------------------------------------------
#                               MODELS
# ------------------------------------------------------------------


@external
def register(model: Types.Model) -> bytes32:
    """
    @notice Anyone: publish a model header. Once; for ever; with the verifier of its spec.
    @return model_root = keccak256(abi_encode(model)).
    """
    model_root: bytes32 = claims.model_root(model)
    verifier: address = self.verifier_of_spec[model.spec_version]
    assert self.registered_at[model_root] == 0, "model_registry: already registered"
    assert verifier != empty(address), "model_registry: unknown spec version"
    self._check(model)
    self.verifier_of[model_root] = verifier
    self.registered_at[model_root] = block.timestamp
    log IModelRegistry.ModelRegistered(model_root=model_root, verifier=verifier, model=model)
    return model_root


@view
@external
def model_root(model: Types.Model) -> bytes32:
    return claims.model_root(model)


@internal
@pure
def _check(model: Types.Model):
    """
    @notice Refuse headers about which nothing could be claimed, or nothing defended.
    """
    assert model.n_steps > 0, "model_registry: no steps"
    assert model.vocab_size > 0, "model_registry: no vocabulary"
    assert model.context_length > 1, "model_registry: no context"
    assert model.context_length <= MAX_CONTEXT, "model_registry: context too long"
    assert claims.embeds(model.gumbel_table) or model.gumbel_table < model.n_tables, (
        "model_registry: no such table"
    )
    for token: uint32 in model.eos_tokens:
        assert token < model.vocab_size, "model_registry: end token outside the vocabulary"


# ------------------------------------------------------------------
#                         REFERENCE PRICES
# ------------------------------------------------------------------


@external
def set_reference_price(model_root: bytes32, price_input: uint64, price_output: uint64):
    """
    @notice Owner: most that daily credit pays for a registered model's tokens, micro-USD per
            million. Zero for both: the model is paid in dollars only.
    @dev SAFETY: holds for claims that are paid from now on, posted before or not: providers
         rely on the owner's delay.
    """
    ownable._check_owner()
    self._set_reference_price(model_root, price_input, price_output)


@view
@external
def reference_price(model_root: bytes32) -> (uint64, uint64):
    """
    @notice For a million input and output tokens, micro-USD; (0, 0) for none.
    """
    price: ReferencePrice = self.reference_prices[model_root]
    return price.input, price.output


@internal
def _set_reference_price(model_root: bytes32, price_input: uint64, price_output: uint64):
    assert self.registered_at[model_root] > 0, "model_registry: unknown model"
    assert max(price_input, price_output) <= MAX_REFERENCE_PRICE, (
        "model_registry: reference price too large"
    )
    self.reference_prices[model_root] = ReferencePrice(input=price_input, output=price_output)
    log IModelRegistry.ReferencePriceSet(
        model_root=model_root, price_input=price_input, price_output=price_output
    )


# ------------------------------------------------------------------
#                             VERIFIERS
# ------------------------------------------------------------------


@external
def add_verifier(spec_version: uint32, verifier: address):
    """
    @notice Owner: name the verifier of a new spec version. Once per version; for ever.
    """
    ownable._check_owner()
    self._add_verifier(spec_version, verifier)


@internal
def _add_verifier(spec_version: uint32, verifier: address):
    assert verifier.is_contract, "model_registry: verifier is not a contract"
    assert self.verifier_of_spec[spec_version] == empty(address), (
        "model_registry: spec version has its verifier"
    )
    self.verifier_of_spec[spec_version] = verifier
    log IModelRegistry.VerifierAdded(spec_version=spec_version, verifier=verifier)
