# pragma version 0.4.3
"""
@title The form of a claim: what must be true of its tokens whatever the model computes
@license AGPL-3.0-only
@notice A provider shows the form when it answers. An output of the wrong length, cut short,
        running on past its end or not matching its root cannot be answered, and loses by
        the clock. The program of the disputed pass is fixed here, too.
        A late or overpriced receipt is no lie: the settlement does not pay it, but no game
        convicts it.
"""

from ..interfaces import ISettlement
from ..interfaces import Types
from . import merkle


@internal
@pure
def terms(
    model: Types.Model, job: Types.Job, receipt: Types.Receipt, token_index: uint32
) -> bytes32:
    """
    @notice Fixes, when a game opens, all that its moves may read besides the trace.
    """
    pass_: Types.ForwardPass = self._pass_of(model, job, receipt, token_index)
    return keccak256(abi_encode(pass_, self._ending_of(job, model)))


@internal
@pure
def _ending_of(job: Types.Job, model: Types.Model) -> ISettlement.Ending:
    """
    @notice How the job's output may end: prompt and output together fit the context.
    """
    room: uint32 = 0
    if job.prompt_tokens < model.context_length:
        room = model.context_length - job.prompt_tokens
    return ISettlement.Ending(
        max_tokens=min(job.max_output_tokens, room), eos_tokens=model.eos_tokens
    )


@internal
@pure
def _pass_of(
    model: Types.Model, job: Types.Job, receipt: Types.Receipt, token_index: uint32
) -> Types.ForwardPass:
    """
    @notice The pass that made output token `token_index`: over the prompt and the output
            tokens before it.
    """
    return Types.ForwardPass(
        n_steps=model.n_steps,
        n_weights=model.n_weights,
        n_tables=model.n_tables,
        weights_root=model.weights_root,
        tables_root=model.tables_root,
        program_root=model.program_root,
        positions=job.prompt_tokens + token_index,
        prompt_root=job.prompt_root,
        prompt_tokens=job.prompt_tokens,
        output_root=receipt.output_root,
        output_tokens=receipt.output_tokens,
        token_index=token_index,
        seed=job.seed,
        inv_temperature=job.inv_temperature,
        vocab_size=model.vocab_size,
        logit_fraction=model.logit_fraction,
        gumbel_table=model.gumbel_table,
    )


@internal
@pure
def check(
    pass_: Types.ForwardPass,
    ending: ISettlement.Ending,
    token: Types.TokenOpening,
    previous: Types.TokenOpening,
):
    """
    @notice Reverts unless the claim is well-formed around its disputed token.
    """
    t: uint32 = pass_.token_index
    count: uint32 = pass_.output_tokens
    assert pass_.prompt_tokens > 0, "claim: empty prompt"
    assert 0 < count and count <= ending.max_tokens, "claim: wrong output length"
    assert self._opens(pass_, token, t), "claim: token does not open"
    assert token.token < pass_.vocab_size, "claim: token outside the vocabulary"
    if t > 0:
        assert self._opens(pass_, previous, t - 1), "claim: previous token does not open"
        assert previous.token not in ending.eos_tokens, "claim: output runs past its end"
    if t == count - 1 and count < ending.max_tokens:
        assert token.token in ending.eos_tokens, "claim: output is cut short"


@internal
@pure
def _opens(pass_: Types.ForwardPass, opening: Types.TokenOpening, index: uint32) -> bool:
    """
    @notice Whether the opening is output token `index`, which is below `output_tokens`.
    """
    depth: uint256 = merkle.depth_of(convert(pass_.output_tokens, uint256))
    if len(opening.path) != depth:
        return False
    leaf: bytes32 = merkle.token_leaf(opening.salt, opening.token)
    root: bytes32 = merkle.climb(leaf, convert(index, uint256), opening.path, 0, depth)
    return merkle.token_root(pass_.output_tokens, root) == pass_.output_root
