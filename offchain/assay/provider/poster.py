"""Posts journalled claims in batches: by age, by size, within the bond; never one twice."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from assay.chain.network import Network
from assay.core import logs
from assay.provider.journal import Batch, Entry, Journal, batch_tree

NONCES_BACK = 64
"""Batches among which one is looked for that a reorganisation has moved."""


class Poster:
    """A loop's turn: finish what a kill interrupted, then post what is due.

    Args:
        batch_size: a batch is due once it holds so many claims.
        batch_seconds: … or once its oldest claim is so old.
    """

    def __init__(
        self,
        network: Network,
        journal: Journal,
        address: str,
        batch_size: int,
        batch_seconds: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._network = network
        self._journal = journal
        self._address = address
        self._size = batch_size
        self._seconds = batch_seconds
        self._clock = clock
        self._waiting = 0

    def turn(self) -> None:
        if self._recovered() and self._due(*self._journal.waiting()):
            entries = self._journal.pending(self._size)
            self._post_affordable(entries[: self._room()], len(entries))

    def _post_affordable(self, entries: Sequence[Entry], waiting: int) -> None:
        if entries:
            nonce = self._network.settlement.next_nonce(self._address)
            if self._journal.has_batch(nonce):
                # A reorganisation has just taken that batch back: the next turn posts it again.
                self._journal.mark_unposted(nonce)
                return
            self._post(self._write(entries, nonce))
        elif waiting != self._waiting:
            logs.warning("bond_exhausted", waiting=waiting)
        self._waiting = 0 if entries else waiting

    def flush(self) -> None:
        """Post whatever waits, however young: called when the service ends."""
        self.hurry()
        self.turn()

    def hurry(self) -> None:
        """From the next turn on, let no claim wait for others."""
        self._seconds = 0.0

    def _due(self, waiting: int, oldest: float) -> bool:
        if not waiting:
            return False
        # A clock that was set back makes claims of the future, which must not wait for it.
        young = 0 <= self._clock() - oldest < self._seconds
        return waiting >= self._size or not young

    def _room(self) -> int:
        """How many claims the free bond covers."""
        slash = self._network.settlement.slash_per_claim()
        return self._network.providers.free(self._address) // max(slash, 1)

    def _write(self, entries: Sequence[Entry], nonce: int) -> Batch:
        settlement = self._network.settlement
        root, count = batch_tree(entries).root, len(entries)
        batch_id = settlement.batch_id(self._address, root, count, nonce)
        batch = Batch(nonce, batch_id, root, count, posted=False, transaction=None)
        self._journal.write_batch(batch, [entry.job_id for entry in entries])
        return batch

    def _post(self, batch: Batch) -> None:
        mined = self._network.settlement.post_batch(batch.root, batch.count)
        if not self._on_chain(batch) and self._moved(batch, mined.hash):
            return
        self._journal.mark_posted(batch.nonce, mined.hash)
        logs.event(
            "batch_posted",
            batch=batch.batch_id,
            count=batch.count,
            transaction=mined.hash,
            gas=mined.gas_used,
        )

    def _recovered(self) -> bool:
        """Settle batches that were written but not seen on chain; False while one is in doubt.

        A batch's transaction may still be in the node's pool: sending another one then would post
        the claims twice, so nothing is sent until the pool holds none of ours.
        """
        unposted = self._journal.unposted_batches()
        if unposted and self._in_pool():
            logs.event("batch_in_pool", batch=unposted[0].batch_id)
            return False
        for batch in unposted:
            self._settle(batch)
        return True

    def _in_pool(self) -> bool:
        count = self._network.web3.eth.get_transaction_count
        address = self._network.web3.to_checksum_address(self._address)
        return count(address, "pending") > count(address, "latest")

    def _settle(self, batch: Batch) -> None:
        if self._found(batch):
            return
        next_nonce = self._network.settlement.next_nonce(self._address)
        if next_nonce == batch.nonce and batch.count <= self._room():
            self._post(batch)
        elif not self._found(batch):  # it may have become visible between these questions
            self._journal.dissolve(batch.nonce)
            logs.warning("batch_dissolved", batch=batch.batch_id, nonce=batch.nonce)

    def _found(self, batch: Batch) -> bool:
        """Whether the chain holds the batch; noted if so."""
        if self._on_chain(batch):
            self._journal.mark_posted(batch.nonce, None)
            logs.event("batch_found", batch=batch.batch_id)
            return True
        return self._moved(batch, None)

    def _on_chain(self, batch: Batch) -> bool:
        return bool(self._network.settlement.batch(batch.batch_id).posted_at)

    def _moved(self, batch: Batch, transaction: str | None) -> bool:
        """Whether the chain holds the batch under another nonce: note it there.

        A transaction does not say its nonce. One that is mined after a reorganisation has taken
        back batches before it gets one of theirs.
        """
        settlement = self._network.settlement
        end = settlement.next_nonce(self._address)
        for nonce in range(max(0, end - NONCES_BACK), end):
            place = settlement.batch_id(self._address, batch.root, batch.count, nonce)
            if settlement.batch(place).posted_at:
                if nonce == batch.nonce:
                    self._journal.mark_posted(nonce, transaction)
                    return True
                self._journal.move(batch.nonce, nonce, place, transaction)
                logs.warning("batch_moved", batch=place, nonce=nonce, before=batch.nonce)
                return True
        return False
