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
@custom:kill Nothing stops the registry. The owner can only add verifiers for new spec
             versions, which no registered model uses, and can renounce even that.
"""

from snekmate.auth import ownable

from ..interfaces import IModelRegistry
from ..interfaces import Types
from ..modules import claims

implements: IModelRegistry
initializes: ownable

# Owner: adds verifiers of new spec versions, nothing else.
exports: (ownable.owner, ownable.transfer_ownership, ownable.renounce_ownership)


# ------------------------------------------------------------------
#                             CONSTANTS
# ------------------------------------------------------------------

# A reduction over the context is shown in at most 256 chunks of 512 terms (modules/descent.vy):
# beyond, a provider could not defend a right claim.
MAX_CONTEXT: constant(uint32) = 256 * 512


# ------------------------------------------------------------------
#                              STORAGE
# ------------------------------------------------------------------

verifier_of_spec: public(HashMap[uint32, address])
verifier_of: public(HashMap[bytes32, address])
registered_at: public(HashMap[bytes32, uint256])


# ------------------------------------------------------------------
#                            CONSTRUCTOR
# ------------------------------------------------------------------


@deploy
def __init__(spec_version: uint32, verifier: address):
    """
    @param spec_version The first spec version.
    @param verifier Its step verifier.
    """
    ownable.__init__()
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
    assert model.gumbel_table < model.n_tables, "model_registry: no such table"
    for token: uint32 in model.eos_tokens:
        assert token < model.vocab_size, "model_registry: end token outside the vocabulary"


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
