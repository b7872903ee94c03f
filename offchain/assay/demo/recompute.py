"""What the contract recomputed in a game: its verdict on the claimed value and on the right one.

The openings are those that the provider put into its last move; the right value comes from this
machine's own recomputation of the pass, and the contract is asked about both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from assay.chain.game_view import GameView, as_struct
from assay.chain.network import Network
from assay.core.types import Op, Opening, Pass, Step, TokenOpening
from assay.demo.result import Recomputation
from assay.trace.commitment import ModelCommitment
from assay.trace.pass_trace import PassTrace


def recomputation(
    network: Network, view: GameView, commitment: ModelCommitment, tokens: Sequence[int]
) -> Recomputation | None:
    """The disputed element of a finished game; None if it ended before one was opened.

    `tokens` are the pass's positions: the prompt and the output before the disputed token.
    """
    last = view.last("GameResolved")
    if last is None or view.step is None or view.element is None:
        return None
    sent = network.web3.eth.get_transaction(last.transaction)  # type: ignore[arg-type]
    function, arguments = network.game.contract.decode_function_input(sent["input"])
    verdict = _VERDICTS.get(str(function.fn_name))
    if verdict is None:
        return None
    step, element = view.record.step_index, view.element
    trace = PassTrace(commitment, tokens)
    judge, claimed, recomputed, what = verdict(network, view, trace, arguments)
    return Recomputation(
        opcode=Op(view.step.opcode).name,
        step=step,
        step_name=commitment.program.names[step],
        row=element.row,
        column=element.column,
        what=what,
        claimed=claimed,
        recomputed=recomputed,
        claimed_holds=judge(claimed),
        recomputed_holds=judge(recomputed),
    )


Verdict = tuple[Callable[[int], bool], int, int, str]


def _element(
    network: Network, view: GameView, trace: PassTrace, arguments: Mapping[str, Any]
) -> Verdict:
    step, pass_, place, openings = _common(view, arguments)
    token = as_struct(TokenOpening, arguments["token"])
    root = view.record.trace_root

    def judge(value: int) -> bool:
        return network.verifier.verify_element(step, pass_, root, place, value, openings, token)

    return judge, _claimed(view), _right(view, trace), "element"


def _combine(
    network: Network, view: GameView, trace: PassTrace, arguments: Mapping[str, Any]
) -> Verdict:
    step, pass_, place, openings = _common(view, arguments)
    assert view.element, "the caller has checked it"
    partials, root = view.element.partials, view.record.trace_root

    def judge(value: int) -> bool:
        return network.verifier.verify_combine(step, pass_, root, place, value, partials, openings)

    return judge, _claimed(view), _right(view, trace), f"element, of {len(partials)} partials"


def _common(
    view: GameView, arguments: Mapping[str, Any]
) -> tuple[Step, Pass, tuple[int, int], list[Opening]]:
    assert view.element and view.step and view.pass_, "the caller has checked the first two"
    openings = [as_struct(Opening, opening) for opening in arguments["openings"]]
    return view.step, view.pass_, (view.element.row, view.element.column), openings


def _claimed(view: GameView) -> int:
    assert view.element is not None, "the caller has checked it"
    return view.element.value


def _right(view: GameView, trace: PassTrace) -> int:
    assert view.element is not None, "the caller has checked it"
    values = trace.tensor(view.record.step_index).values
    return int(values[view.element.row, view.element.column])


_VERDICTS: dict[str, Callable[[Network, GameView, PassTrace, Mapping[str, Any]], Verdict]] = {
    "prove_element": _element,
    "prove_combine": _combine,
}
