# pragma version 0.4.3
"""
@title The form of a claim: what must be true of its output whatever the model computes
@license AGPL-3.0-only
@notice A provider shows the form when it answers. An output of the wrong length, cut short,
        running on past its end or not matching its root cannot be answered, and loses by
        the clock. So cannot an embedding that is not the output of the trace's last step: a
        game about one is decided by the walk down the trace that it is tied to.
        The program of the disputed pass is fixed here, too.
        A late or overpriced receipt is no lie: the settlement does not pay it, but no game
        convicts it.
"""

from ..interfaces import ISettlement
from ..interfaces import Types
from . import claims
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
    @notice How the job's output may end: prompt and output together fit the context. An
            embedding is one output that takes no position.
    """
    room: uint32 = 0
    if claims.embeds(model.gumbel_table):
        room = 1 if job.prompt_tokens <= model.context_length else 0
    elif job.prompt_tokens < model.context_length:
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
    trace_root: bytes32,
    token: Types.TokenOpening,
    previous: Types.TokenOpening,
):
    """
    @notice Reverts unless the claim is well-formed around its disputed token, or its embedding
            is the output of the trace's last step. See ISettlement.check_output.
    """
    count: uint32 = pass_.output_tokens
    assert pass_.prompt_tokens > 0, "claim: empty prompt"
    assert 0 < count and count <= ending.max_tokens, "claim: wrong output length"
    if claims.embeds(pass_.gumbel_table):
        self._check_embedding(pass_, trace_root, token, previous)
    else:
        self._check_token(pass_, ending, token, previous)


@internal
@pure
def _check_token(
    pass_: Types.ForwardPass,
    ending: ISettlement.Ending,
    token: Types.TokenOpening,
    previous: Types.TokenOpening,
):
    t: uint32 = pass_.token_index
    count: uint32 = pass_.output_tokens
    assert self._opens(count, pass_.output_root, token, t), "claim: token does not open"
    assert token.token < pass_.vocab_size, "claim: token outside the vocabulary"
    if t > 0:
        assert self._opens(count, pass_.output_root, previous, t - 1), (
            "claim: previous token does not open"
        )
        assert previous.token not in ending.eos_tokens, "claim: output runs past its end"
    if t == count - 1 and count < ending.max_tokens:
        assert token.token in ending.eos_tokens, "claim: output is cut short"


@internal
@pure
def _check_embedding(
    pass_: Types.ForwardPass,
    trace_root: bytes32,
    first: Types.TokenOpening,
    last: Types.TokenOpening,
):
    """
    @notice The output root follows from the prompt's first salt and the last leaf of the trace.
    @dev INVARIANT: prompt, job and pass leave one right output root, so whoever can recompute the
         embedding can tell a wrong claim from its receipt alone.
         `last.salt` is the leaf. A registered model has a step, so there is a last one.
    """
    assert self._opens(pass_.prompt_tokens, pass_.prompt_root, first, 0), (
        "claim: first prompt token does not open"
    )
    steps: uint256 = convert(pass_.n_steps, uint256)
    depth: uint256 = merkle.depth_of(steps)
    assert len(last.path) == depth, "claim: wrong path length"
    assert merkle.climb(last.salt, steps - 1, last.path, 0, depth) == trace_root, (
        "claim: not the last step's output"
    )
    assert merkle.embedding_root(first.salt, last.salt) == pass_.output_root, (
        "claim: embedding does not open"
    )


@internal
@pure
def _opens(count: uint32, root: bytes32, opening: Types.TokenOpening, index: uint32) -> bool:
    """
    @notice Whether the opening is token `index`, below `count`, of the list under `root`.
    """
    depth: uint256 = merkle.depth_of(convert(count, uint256))
    if len(opening.path) != depth:
        return False
    leaf: bytes32 = merkle.token_leaf(opening.salt, opening.token)
    top: bytes32 = merkle.climb(leaf, convert(index, uint256), opening.path, 0, depth)
    return merkle.token_root(count, top) == root
