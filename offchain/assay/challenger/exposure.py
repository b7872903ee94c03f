"""Shows that a provider answered a game with another trace than it vouched for."""

from __future__ import annotations

from assay.chain.audits import AuditState
from assay.chain.game_view import GameView
from assay.chain.network import Network
from assay.core import logs
from assay.core.types import ZERO_HASH
from assay.core.wire import ClaimData
from assay.trace.commitment import Commitment
from assay.trace.pass_trace import PassTrace


def expose(
    network: Network, commitment: Commitment, view: GameView, data: ClaimData, audit: AuditState
) -> bool:
    """Expose the provider if the game's trace is the right one, whose leaves are known here.

    A trace that is neither right nor the one that was vouched for is walked down in the game.
    """
    root = view.record.trace_root
    if root == ZERO_HASH:
        return False
    embeds = commitment.header.embeds
    before = () if embeds else data.output[: audit.token_index]
    trace = PassTrace(commitment, [*data.prompt, *before])
    if trace.root != root or trace.witness == audit.witness:
        return False
    path = () if embeds else trace.steps_tree.path(len(trace.tensors) - 1)
    network.audits.expose(view.standing, trace.witness, path)
    logs.warning("provider_exposed", game=view.game_id, job=data.receipt.job_id)
    return True
