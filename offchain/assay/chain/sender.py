"""Sends transactions for one account: nonces, fees, replacement of stuck ones, typed errors.

Safe to share between threads. Two processes must not share an account's sender: the second
would see its nonces used by somebody else, and says so. What a transaction means is the
clients' business (`chain.clients`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from web3 import Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import TxData, TxParams, TxReceipt

from assay.chain.fees import GWEI, Fees, suggest
from assay.chain.node import node_errors, url_of
from assay.chain.outbox import Outbox
from assay.chain.reverts import reason_of, reverted
from assay.chain.transactions import Mined, Pending, SendPolicy, Signer
from assay.core import metrics
from assay.core.errors import (
    ChainError,
    ContractReverted,
    InsufficientFunds,
    TransactionTimeout,
)

__all__ = ["Mined", "Pending", "SendPolicy", "Sender", "Signer"]

log = logging.getLogger(__name__)

NONCE_ATTEMPTS = 3
MAX_GAP = 64
"""Nonces that are used up at once."""
TRANSFER_GAS = 21_000
"""Of a transaction without data."""
KNOWN = ("already known", "already imported", "known transaction")
NONCE_USED = ("nonce too low", "replacement transaction underpriced")
"""To a first bid: somebody else's transaction has the nonce, mined or in the pool."""

TRANSACTIONS = metrics.counter(
    "assay_transactions_total", "Transactions of this process by what became of them.", "result"
)
GAS = metrics.counter("assay_gas_used_total", "Gas that mined transactions used.")
FEES = metrics.counter("assay_fees_wei_total", "Fees that mined transactions paid, in wei.")
PENDING = metrics.gauge("assay_transactions_pending", "Transactions that may still be mined.")


class NonceTaken(ChainError):
    """Another transaction of the account was mined with this nonce: ours never will be."""


Journal = Callable[[Pending], None]
"""Called with each bid before it is broadcast, so that it can be found after a crash."""


class Sender:
    """Signs with `account` and sends through `web3`, within `policy`."""

    def __init__(
        self,
        web3: Web3,
        account: Signer,
        policy: SendPolicy | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        outbox: Path | None = None,
    ) -> None:
        self.web3 = web3
        self.account = account
        self.policy = policy or SendPolicy()
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.RLock()
        self._own = threading.local()
        self._chain_id = web3.eth.chain_id
        self.outbox = Outbox(outbox, self._origin() if outbox else "")

    @property
    def address(self) -> str:
        return str(self.account.address)

    @contextmanager
    def under(self, policy: SendPolicy) -> Iterator[None]:
        """Send by another policy inside, in this thread only."""
        self._own.policy = policy
        try:
            yield
        finally:
            del self._own.policy

    def _policy(self) -> SendPolicy:
        return getattr(self._own, "policy", self.policy)

    def _origin(self) -> str:
        """This account on this very chain: local chains share their id, not their first block."""
        first = self.web3.eth.get_block(0)["hash"].to_0x_hex()
        return f"{self._chain_id} {first} {self.address}"

    def tend(self) -> None:
        """Raise the bids of transactions that nobody waits for: a loop's turn."""
        with node_errors(url_of(self.web3)), self._lock:
            self._sort_out()
            for pending in self.outbox.abandoned():
                if self._clock() >= pending.bid_at + pending.policy.replace_after_seconds:
                    self._rebid(pending, pending.policy.max_fee)
                    self._fill_gap(pending)

    def call(self, name: str, function: ContractFunction, value: int = 0) -> Mined:
        """Send a contract call and wait for it; `name` is "Contract.function"."""
        fields = {
            "to": function.address,
            "data": function._encode_transaction_data(),
            "value": value,
        }
        return self.send(name, fields)

    def transfer(self, to: str, wei: int) -> Mined:
        """Send ether."""
        return self.send("transfer of ether", {"to": to, "data": "0x", "value": wei})

    def send(self, call: str, fields: dict[str, Any], journal: Journal | None = None) -> Mined:
        """Submit and wait; raises ContractReverted, InsufficientFunds, TransactionTimeout, …"""
        return self.wait(self.submit(call, fields, journal))

    def submit(self, call: str, fields: dict[str, Any], journal: Journal | None = None) -> Pending:
        """Broadcast without waiting. A call that would revert now is refused here."""
        with node_errors(url_of(self.web3)):
            fields = {**fields, "from": self.address, "chainId": self._chain_id}
            with self._lock:
                self._sort_out()
                twin = self._twin(fields) if journal is None else None
            if twin is not None:
                return twin
            fields["gas"] = self._gas_limit(call, fields)
            fees = suggest(self.web3, self._policy().max_fee)
            with self._lock:
                return self._submit_locked(call, fields, fees, journal)

    def take_up(
        self,
        call: str,
        fields: dict[str, Any],
        nonce: int,
        hashes: Sequence[str],
        journal: Journal | None = None,
    ) -> Mined | None:
        """Finish what a process that is gone may have sent: `hashes` are its bids on `nonce`.

        None if none of them can be mined any more, because another transaction has the nonce.
        One that no node knows is sent again with the same nonce: at most one of them is mined.
        """
        base = {**fields, "from": self.address, "chainId": self._chain_id, "nonce": nonce}
        with node_errors(url_of(self.web3)):
            fees = suggest(self.web3, self._policy().max_fee)
            pending = self._pending(call, base, fees, journal)
            pending.hashes = list(hashes)
            known = self._known_bid(pending)
            if known is not None:
                pending.fields["gas"] = known["gas"]
            elif self.web3.eth.get_transaction_count(self.account.address) <= nonce:
                pending.fields["gas"] = self._gas_limit(call, base)
                self._broadcast(pending)
        try:
            return self.wait(pending)
        except NonceTaken:
            return None

    def wait(self, pending: Pending) -> Mined:
        """Wait for inclusion; bids again whenever `replace_after_seconds` pass without it."""
        pending.waited = True
        try:
            with node_errors(url_of(self.web3)):
                mined = self._wait(pending)
        except (NonceTaken, ContractReverted):
            self._finished(pending)
            raise
        except ChainError:
            pending.waited = False
            raise
        self._finished(pending)
        return mined

    def _finished(self, pending: Pending) -> None:
        with self._lock:
            self.outbox.drop(pending)

    def _pending(
        self, call: str, fields: dict[str, Any], fees: Fees, journal: Journal | None
    ) -> Pending:
        return Pending(call, fields, fees, journal=journal, policy=self._policy(), waited=True)

    def _twin(self, fields: dict[str, Any]) -> Pending | None:
        """One that says the same, left by somebody who gave up waiting or was killed."""
        for pending in self.outbox.abandoned():
            if pending.says(fields):
                pending.waited, pending.policy = True, self._policy()
                return pending
        return None

    def _sort_out(self) -> None:
        """Forget what was mined, or is in nobody's pool, since somebody last waited for it."""
        abandoned = self.outbox.abandoned()
        used = self.web3.eth.get_transaction_count(self.account.address) if abandoned else 0
        for pending in abandoned:
            if pending.nonce < used or self._known_bid(pending) is None:
                self.outbox.drop(pending)

    def _gas_limit(self, call: str, fields: dict[str, Any]) -> int:
        try:
            estimate = self.web3.eth.estimate_gas(cast(TxParams, fields))
        except (ContractLogicError, Web3RPCError) as error:
            raise self._refusal(call, error) from error
        policy = self._policy()
        with_margin = estimate + estimate * policy.gas_margin_percent // 100 + policy.gas_margin
        limit = int(self.web3.eth.get_block("latest")["gasLimit"])
        return max(estimate, min(with_margin, limit))

    def _submit_locked(
        self, call: str, fields: dict[str, Any], fees: Fees, journal: Journal | None
    ) -> Pending:
        for _ in range(NONCE_ATTEMPTS):
            fields = {**fields, "nonce": self._next_nonce()}
            pending = self._pending(call, fields, fees, journal)
            try:
                self._broadcast(pending)
            except Web3RPCError as error:
                if any(text in str(error).lower() for text in NONCE_USED):
                    continue  # the node learned of a newer one between the two calls
                raise self._refusal(call, error) from error
            TRANSACTIONS.add(result="sent")
            return pending
        raise ChainError(
            f"{call}: the nonce of {self.address} moved {NONCE_ATTEMPTS} times while sending; "
            "another process uses the same keystore: give each its own"
        )

    def _next_nonce(self) -> int:
        known = self.web3.eth.get_transaction_count(self.account.address, "pending")
        return max(known, self.outbox.next_nonce())

    def _broadcast(self, pending: Pending) -> None:
        fields = {
            **{key: value for key, value in pending.fields.items() if key != "from"},
            "type": 2,
            "maxFeePerGas": pending.fees.max_fee,
            "maxPriorityFeePerGas": pending.fees.tip,
        }
        signed = self.account.sign_transaction(fields)
        pending.hashes.append("0x" + bytes(signed.hash).hex())
        pending.bid_at = self._clock()
        with self._lock:
            self.outbox.put(pending)
            PENDING.set(len(list(self.outbox)))
        if pending.journal is not None:
            pending.journal(pending)
        try:
            self.web3.eth.send_raw_transaction(signed.raw_transaction)
        except Web3RPCError as error:
            if not any(text in str(error).lower() for text in KNOWN):
                pending.hashes.pop()  # refused: it will never be mined
                if not pending.hashes:
                    self._finished(pending)
                raise

    def _wait(self, pending: Pending) -> Mined:
        start = self._clock()
        policy = pending.policy
        replace_at = start + policy.replace_after_seconds
        while True:
            receipt = self._receipt(pending)
            if receipt is not None:
                return self._outcome(pending, receipt)
            now = self._clock()
            if now >= start + policy.receipt_timeout_seconds:
                TRANSACTIONS.add(result="timed_out")
                raise TransactionTimeout(
                    f"{pending.call}: not mined after {now - start:.0f} s and "
                    f"{len(pending.hashes)} bids (last {pending.fees.max_fee / GWEI:.1f} gwei, "
                    f"limit {policy.max_fee / GWEI:.1f}), nonce {pending.nonce} of "
                    f"{self.address}; check the node or raise ASSAY_MAX_FEE_GWEI"
                )
            if now >= replace_at and pending.used_since is None:
                self._raise_bids(pending)
                replace_at = now + policy.replace_after_seconds
            self._sleep(policy.poll_seconds)

    def _receipt(self, pending: Pending) -> TxReceipt | None:
        """The receipt of any of the bids; NonceTaken if a stranger's transaction has the nonce."""
        used = self.web3.eth.get_transaction_count(self.account.address)
        for transaction in reversed(pending.hashes):
            try:
                return self.web3.eth.get_transaction_receipt(cast(Any, transaction))
            except TransactionNotFound:
                continue
        if used <= pending.nonce:
            pending.used_since = None
            return None
        if pending.used_since is None:
            pending.used_since = self._clock()
        if self._clock() >= pending.used_since + pending.policy.index_seconds:
            raise NonceTaken(
                f"{pending.call}: nonce {pending.nonce} of {self.address} was used by another "
                "transaction; another process uses the same keystore: give each its own"
            )
        return None

    def _known_bid(self, pending: Pending) -> TxData | None:
        """The newest of the bids that the node has, mined or waiting."""
        for transaction in reversed(pending.hashes):
            try:
                return self.web3.eth.get_transaction(cast(Any, transaction))
            except TransactionNotFound:
                continue
        return None

    def _raise_bids(self, pending: Pending) -> None:
        """Bid again for this one, and for those before it that bid less: it cannot pass them."""
        with self._lock:
            limit = pending.policy.max_fee
            self._rebid(pending, limit)
            for each in self.outbox:
                if each.nonce < pending.nonce and each.fees.max_fee < pending.fees.max_fee:
                    self._rebid(each, limit)
            self._fill_gap(pending)

    def _fill_gap(self, pending: Pending) -> None:
        """Use up nonces below this one that nothing has: it would wait for them for ever.

        What had them was mined, undone by a reorganisation, and is in no pool. Nothing is sent to
        ourselves instead, which does no harm if it comes back; this transaction sent again with
        such a nonce could be mined twice.
        """
        first = self.web3.eth.get_transaction_count(self.account.address, "pending")
        known = {each.nonce for each in self.outbox}
        for nonce in sorted(set(range(first, pending.nonce)) - known)[:MAX_GAP]:
            log.warning("%s: nothing has nonce %d below it: using it up", pending.call, nonce)
            fields = {
                "to": self.address,
                "value": 0,
                "data": "0x",
                "gas": TRANSFER_GAS,
                "nonce": nonce,
                "chainId": self._chain_id,
                "type": 2,
                "maxFeePerGas": pending.fees.max_fee,
                "maxPriorityFeePerGas": pending.fees.tip,
            }
            raw = self.account.sign_transaction(fields).raw_transaction
            try:
                self.web3.eth.send_raw_transaction(raw)
            except Web3RPCError as error:  # it has come back meanwhile
                log.info("%s: nonce %d is not used up: %s", pending.call, nonce, error)
            else:
                TRANSACTIONS.add(result="filled")

    def _rebid(self, pending: Pending, limit: int) -> None:
        try:
            bid = pending.fees.bumped(suggest(self.web3, limit), limit)
        except ChainError as error:
            log.warning("%s: stuck: %s", pending.call, error)
            return
        if bid is None:
            log.warning("%s: stuck, and the fee limit forbids a higher bid", pending.call)
            return
        log.info("%s: stuck, bidding %.2f gwei", pending.call, bid.max_fee / GWEI)
        pending.fees = bid
        try:
            self._broadcast(pending)
        except Web3RPCError as error:
            # "nonce too low": mined just now. "underpriced": the next bid is higher.
            log.info("%s: replacement not accepted: %s", pending.call, error)
            return
        TRANSACTIONS.add(result="replaced")

    def _outcome(self, pending: Pending, receipt: TxReceipt) -> Mined:
        transaction = receipt["transactionHash"].to_0x_hex()
        fee = int(receipt["gasUsed"]) * int(receipt["effectiveGasPrice"])
        TRANSACTIONS.add(result="mined" if receipt["status"] == 1 else "reverted")
        GAS.add(int(receipt["gasUsed"]))
        FEES.add(fee)
        if receipt["status"] != 1:
            reason = self._replay(pending, int(receipt["blockNumber"]))
            raise reverted(pending.call, reason, transaction)
        return Mined(
            call=pending.call,
            hash=transaction,
            block_number=int(receipt["blockNumber"]),
            gas_used=int(receipt["gasUsed"]),
            fee_wei=fee,
            replacements=len(pending.hashes) - 1,
            contract_address=receipt.get("contractAddress"),
            logs=receipt["logs"],
        )

    def _replay(self, pending: Pending, block: int) -> str:
        """Why a mined transaction reverted: run it again on the state it met."""
        wanted = ("from", "to", "data", "value", "gas")
        fields = cast(
            TxParams, {key: pending.fields[key] for key in wanted if key in pending.fields}
        )
        for at in (block - 1, block):
            try:
                self.web3.eth.call(fields, at)
            except (ContractLogicError, Web3RPCError) as error:
                return reason_of(error)
        return f"out of gas or a state of block {block} that cannot be replayed"

    def _refusal(self, call: str, error: ContractLogicError | Web3RPCError) -> ChainError:
        if "insufficient funds" in str(error).lower():
            balance = self.web3.eth.get_balance(self.account.address)
            return InsufficientFunds(
                f"{call}: {self.address} holds {balance / 10**18:.6f} ether, not enough for "
                "value and gas; fund the account"
            )
        if isinstance(error, ContractLogicError) or "revert" in str(error).lower():
            return reverted(call, reason_of(error))
        return ChainError(f"{call}: the node refused the transaction: {error}")
