"""Before a game is opened: is everything known that the accusation rests on?

A challenger that accuses on a doubt loses its bond, or worse, convicts the honest together with
others that share the doubt. So each rule below names one thing that may be missing (the node lags,
the batch is gone, two ways to compute the answer disagree), and a single one is enough to wait.
`establish` is the only way to a `Case`, and only a `Case` opens a game.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from assay.chain.network import Network
from assay.chain.settlement import ClaimStatus
from assay.challenger.audit import COMPUTED, Finding
from assay.challenger.truths import Truths
from assay.core.errors import IncompleteData
from assay.core.outputs import output_root
from assay.core.wire import ClaimData

LEAST_SECONDS = 5
"""Of the window that must be left: an opening that comes too late costs its gas."""


@dataclass(frozen=True)
class Place:
    """A claim on chain, as its batch's event said."""

    provider: str
    batch_id: bytes
    index: int
    root: bytes
    until: int


@dataclass(frozen=True)
class Case:
    """A wrong claim, beyond doubt: `finding` holds by every rule of this file."""

    place: Place
    data: ClaimData
    finding: Finding


@dataclass(frozen=True)
class Grounds:
    """What the rules look at.

    head_seconds   most age of the node's newest block; None: any
    """

    network: Network
    truths: Truths
    address: str
    head_seconds: float | None


Rule = Callable[[Grounds, Place, ClaimData, Finding], None]


def establish(grounds: Grounds, place: Place, data: ClaimData, finding: Finding) -> Case:
    """The case against a claim whose data `check_data` accepted.

    Raises:
        IncompleteData: something is missing or in doubt; worth another try later.
    """
    for rule in RULES:
        rule(grounds, place, data, finding)
    return Case(place, data, finding)


def _node_is_in_step(grounds: Grounds, place: Place, data: ClaimData, finding: Finding) -> None:
    if grounds.network.syncing():
        raise IncompleteData("node_syncing", "the node has not caught up; wait until it has")
    age = time.time() - grounds.network.now()
    if grounds.head_seconds is not None and age > grounds.head_seconds:
        raise IncompleteData(
            "node_behind",
            f"the node's newest block is {age:.0f} s old, limit {grounds.head_seconds:g} s; "
            "check the node, or raise ASSAY_HEAD_SECONDS",
        )


def _claim_is_there(grounds: Grounds, place: Place, data: ClaimData, finding: Finding) -> None:
    """At the newest block, not only in an event that was read before a reorganisation."""
    settlement = grounds.network.settlement
    batch = settlement.batch(place.batch_id)
    if (batch.provider, batch.root) != (place.provider, place.root) or place.index >= batch.count:
        raise IncompleteData("batch_gone", "the batch is not on chain as its event said")
    if settlement.status(place.batch_id, place.index) != ClaimStatus.OPEN:
        raise IncompleteData("claim_closed", "the claim is not open any more")


def _model_is_registered(grounds: Grounds, place: Place, data: ClaimData, finding: Finding) -> None:
    """The header, weights and program that we computed with are the claim's, on chain."""
    if not grounds.network.models.registered_at(data.job.model_root):
        raise IncompleteData(
            "model_unknown", f"model 0x{data.job.model_root.hex()} is not registered on chain"
        )


def _time_is_left(grounds: Grounds, place: Place, data: ClaimData, finding: Finding) -> None:
    left = place.until - grounds.network.now()
    if left < LEAST_SECONDS:
        raise IncompleteData("too_late", f"{left} s of the window are left, need {LEAST_SECONDS}")


def _bond_is_at_hand(grounds: Grounds, place: Place, data: ClaimData, finding: Finding) -> None:
    bond = grounds.network.game.bond_against(place.provider)
    held = grounds.network.bond_token.balance_of(grounds.address)
    if held < bond:
        raise IncompleteData(
            "no_bond",
            f"{grounds.address} holds {held} units of ASSAY, a game needs {bond}; fund the account",
        )


def _reference_agrees(grounds: Grounds, place: Place, data: ClaimData, finding: Finding) -> None:
    """What the engine found, the reference arithmetic finds as well, from the tokens anew."""
    if finding.reason not in COMPUTED:
        return
    truth = grounds.truths.of(data, finding.token_index)
    header = truth.trace.commitment.header
    if header.embeds:
        row = truth.trace.tensors[-1].values[0].tolist()
        wrong = output_root(header, row, data.salt) != data.receipt.output_root
    else:
        wrong = truth.token != truth.claimed
    if not wrong:
        raise IncompleteData(
            "engines_disagree",
            f"job 0x{data.receipt.job_id.hex()}: the engine rejects token {finding.token_index}, "
            "the reference accepts it; report this with the job and try ASSAY_BACKEND=torch",
        )


RULES: tuple[Rule, ...] = (
    _node_is_in_step,
    _claim_is_there,
    _model_is_registered,
    _time_is_left,
    _bond_is_at_hand,
    _reference_agrees,
)
