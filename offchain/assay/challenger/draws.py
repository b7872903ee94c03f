"""Rounds: begins them, fixes their seeds, and finds what fell to an account's seats."""

from __future__ import annotations

import time
from collections.abc import Iterator

from assay.chain.audits import Place, Round
from assay.chain.events import Event
from assay.chain.headers import header_of
from assay.chain.network import Network
from assay.challenger.inspector import COMMITS, Duty
from assay.core import logs
from assay.core.errors import ContractReverted, DeepReorganisation
from assay.core.types import ZERO_HASH

HASHES_KEPT = 256


class Draws:
    """A loop's turn for the rounds, and the duties that they bring.

    Any auditor may begin a round and fix its seed; all of them try, one succeeds.
    """

    def __init__(self, network: Network, address: str, start_block: int | None) -> None:
        self._network = network
        self._audits = network.audits
        self._address = address
        self._start = start_block
        self._reader = network.reader(start_block, ("Settlement", "Audits"))
        self._batches: dict[bytes, Event] = {}
        self._fixed: set[int] = set()

    def turn(self) -> list[Duty]:
        """Further the rounds; duties that are new since the last turn."""
        self._learn()
        self._further()
        return list(self._duties())

    def _learn(self) -> None:
        try:
            update = self._reader.poll()
        except DeepReorganisation:
            self._reader = self._network.reader(self._start, ("Settlement", "Audits"))
            raise
        for event in update.removed:
            if event.name == "BatchPosted":
                self._batches.pop(event.args["batch_id"], None)
            elif event.name == "SeedFixed":
                self._fixed.discard(event.args["round"])
        for event in update.added:
            if event.name == "BatchPosted":
                self._batches[event.args["batch_id"]] = event
            elif event.name == "SeedFixed":
                self._fixed.add(event.args["round"])

    def _further(self) -> None:
        """Fix the seed that waits, or begin a round if a batch waits for one."""
        number = self._audits.round_count()
        last = self._audits.round(number)
        head = int(self._network.web3.eth.block_number)
        waits = number > 0 and last.seed == ZERO_HASH and head <= last.seed_block + HASHES_KEPT
        try:
            if waits and head > last.seed_block:
                self._audits.fix_seed(header_of(self._network.web3, last.seed_block))
                logs.event("seed_fixed", round=number)
            elif not waits and self._is_due(last):
                self._audits.begin_round()
                logs.event("round_begun", round=number + 1)
        except ContractReverted as error:
            logs.event("round_furthered_by_another", reason=error.reason)

    def _is_due(self, last: Round) -> bool:
        """Whether a batch is ripe that no round has covered, and can still be audited."""
        settlement, now = self._network.settlement, max(self._network.now(), int(time.time()))
        begun = last.begun_at if last.seed != ZERO_HASH else last.after
        ripe = (settlement.withdrawal_until(batch) for batch in self._batches)
        return self._audits.seat_count() > 0 and any(begun < at < now for at in ripe)

    def _duties(self) -> Iterator[Duty]:
        now = self._network.now()
        for batch_id, event in list(self._batches.items()):
            if now > self._audits.deadline(batch_id, COMMITS) and not self._fixed:
                continue
            number = next((n for n in self._fixed if self._audits.covers(n, batch_id)), None)
            if number is not None:
                del self._batches[batch_id]
                yield from self._drawn(number, event)

    def _drawn(self, number: int, event: Event) -> Iterator[Duty]:
        """Slots of the batch's claims that fell to one of our seats."""
        args = event.args
        for index in range(args["count"]):
            if not self._audits.is_drawn(number, args["batch_id"], index):
                continue
            for slot in range(self._audits.slots()):
                place = Place(number, args["batch_id"], index, slot)
                if self._audits.seat(self._audits.seat_of(place)).auditor == self._address:
                    claim = self._network.settlement.claim_id(args["batch_id"], index)
                    logs.event("drawn", claim=claim, slot=slot)
                    yield Duty(
                        place,
                        claim,
                        args["provider"],
                        args["root"],
                        args["challenge_until"],
                        time.monotonic(),
                    )
