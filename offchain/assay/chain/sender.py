"""Sends transactions for one account: nonces, fees, replacement of stuck ones, typed errors.

Safe to share between threads. Two processes must not share an account's sender: the second
would see its nonces used by somebody else, and says so. What a transaction means is the
clients' business (`chain.clients`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from web3 import Web3
from web3.contract.contract import ContractFunction
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError
from web3.types import LogReceipt, TxData, TxParams, TxReceipt

from assay.chain.fees import GWEI, Fees, suggest
from assay.chain.node import node_errors, url_of
from assay.chain.reverts import reason_of, reverted
from assay.core.errors import ChainError, InsufficientFunds, TransactionTimeout
from assay.core.settings import ChainSettings

log = logging.getLogger(__name__)

NONCE_ATTEMPTS = 3
KNOWN = ("already known", "already imported", "known transaction")


@dataclass(frozen=True)
class SendPolicy:
    """Limits of a sender: seconds, wei per gas, and the margin over the gas estimate.

    `index_seconds` is how long a node may count a nonce as used before it shows the receipt:
    state, receipts and replicas of one node do not change at the same instant. `gas_margin` is
    for what time adds between estimate and inclusion: emissions write more when a second has
    passed, and more again when a UTC day has begun. Gas that is not used costs nothing.
    """

    receipt_timeout_seconds: float = 120.0
    replace_after_seconds: float = 20.0
    poll_seconds: float = 0.1
    index_seconds: float = 15.0
    max_fee: int = 500 * GWEI
    gas_margin_percent: int = 20
    gas_margin: int = 100_000

    @classmethod
    def of(cls, settings: ChainSettings) -> SendPolicy:
        return cls(
            receipt_timeout_seconds=settings.receipt_timeout_seconds,
            replace_after_seconds=settings.replace_after_seconds,
            max_fee=int(settings.max_fee_gwei * GWEI),
        )


@dataclass(frozen=True)
class Mined:
    """A transaction that was included and succeeded."""

    call: str
    hash: str
    block_number: int
    gas_used: int
    fee_wei: int
    replacements: int
    contract_address: str | None
    logs: Sequence[LogReceipt] = field(repr=False)


@dataclass
class Pending:
    """A transaction on its way: one nonce, one bid after another."""

    call: str
    fields: dict[str, Any]
    fees: Fees
    hashes: list[str] = field(default_factory=list)
    journal: Callable[[Pending], None] | None = None
    used_since: float | None = None
    """When the node first counted the nonce as used without showing one of our receipts."""

    @property
    def nonce(self) -> int:
        return int(self.fields["nonce"])


class NonceTaken(ChainError):
    """Another transaction of the account was mined with this nonce: ours never will be."""


class Signed(Protocol):
    """A signed transaction."""

    @property
    def raw_transaction(self) -> bytes: ...

    @property
    def hash(self) -> bytes: ...


class Signer(Protocol):
    """Whoever holds the key: an eth-account, or an account of Ape's (`chain.ape_account`)."""

    @property
    def address(self) -> Any: ...

    def sign_transaction(self, fields: dict[str, Any], /) -> Signed: ...


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
    ) -> None:
        self.web3 = web3
        self.account = account
        self.policy = policy or SendPolicy()
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._in_flight: set[int] = set()
        self._chain_id = web3.eth.chain_id

    @property
    def address(self) -> str:
        return str(self.account.address)

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
            fields["gas"] = self._gas_limit(call, fields)
            fees = suggest(self.web3, self.policy.max_fee)
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
            fees = suggest(self.web3, self.policy.max_fee)
            pending = Pending(call, base, fees, list(hashes), journal)
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
        try:
            with node_errors(url_of(self.web3)):
                return self._wait(pending)
        finally:
            with self._lock:
                self._in_flight.discard(pending.nonce)

    def _gas_limit(self, call: str, fields: dict[str, Any]) -> int:
        try:
            estimate = self.web3.eth.estimate_gas(cast(TxParams, fields))
        except (ContractLogicError, Web3RPCError) as error:
            raise self._refusal(call, error) from error
        with_margin = estimate + estimate * self.policy.gas_margin_percent // 100
        with_margin += self.policy.gas_margin
        limit = int(self.web3.eth.get_block("latest")["gasLimit"])
        return max(estimate, min(with_margin, limit))

    def _submit_locked(
        self, call: str, fields: dict[str, Any], fees: Fees, journal: Journal | None
    ) -> Pending:
        for _ in range(NONCE_ATTEMPTS):
            fields = {**fields, "nonce": self._next_nonce()}
            pending = Pending(call, fields, fees, journal=journal)
            try:
                self._broadcast(pending)
            except Web3RPCError as error:
                if "nonce too low" in str(error).lower():
                    continue  # the node learned of a newer one between the two calls
                raise self._refusal(call, error) from error
            self._in_flight.add(pending.nonce)
            return pending
        raise ChainError(
            f"{call}: the nonce of {self.address} moved {NONCE_ATTEMPTS} times while sending; "
            "another process uses the same keystore: give each its own"
        )

    def _next_nonce(self) -> int:
        known = self.web3.eth.get_transaction_count(self.account.address, "pending")
        return max(known, max(self._in_flight, default=-1) + 1)

    def _broadcast(self, pending: Pending) -> None:
        fields = {
            **{key: value for key, value in pending.fields.items() if key != "from"},
            "type": 2,
            "maxFeePerGas": pending.fees.max_fee,
            "maxPriorityFeePerGas": pending.fees.tip,
        }
        signed = self.account.sign_transaction(fields)
        pending.hashes.append("0x" + bytes(signed.hash).hex())
        if pending.journal is not None:
            pending.journal(pending)
        try:
            self.web3.eth.send_raw_transaction(signed.raw_transaction)
        except Web3RPCError as error:
            if not any(text in str(error).lower() for text in KNOWN):
                pending.hashes.pop()  # refused: it will never be mined
                raise

    def _wait(self, pending: Pending) -> Mined:
        start = self._clock()
        replace_at = start + self.policy.replace_after_seconds
        while True:
            receipt = self._receipt(pending)
            if receipt is not None:
                return self._outcome(pending, receipt)
            now = self._clock()
            if now >= start + self.policy.receipt_timeout_seconds:
                raise TransactionTimeout(
                    f"{pending.call}: not mined after {now - start:.0f} s and "
                    f"{len(pending.hashes)} bids (last {pending.fees.max_fee / GWEI:.1f} gwei, "
                    f"limit {self.policy.max_fee / GWEI:.1f}), nonce {pending.nonce} of "
                    f"{self.address}; check the node or raise ASSAY_MAX_FEE_GWEI"
                )
            if now >= replace_at and pending.used_since is None:
                self._replace(pending)
                replace_at = now + self.policy.replace_after_seconds
            self._sleep(self.policy.poll_seconds)

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
        if self._clock() >= pending.used_since + self.policy.index_seconds:
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

    def _replace(self, pending: Pending) -> None:
        market = suggest(self.web3, self.policy.max_fee)
        bid = pending.fees.bumped(market, self.policy.max_fee)
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

    def _outcome(self, pending: Pending, receipt: TxReceipt) -> Mined:
        transaction = receipt["transactionHash"].to_0x_hex()
        if receipt["status"] != 1:
            reason = self._replay(pending, int(receipt["blockNumber"]))
            raise reverted(pending.call, reason, transaction)
        return Mined(
            call=pending.call,
            hash=transaction,
            block_number=int(receipt["blockNumber"]),
            gas_used=int(receipt["gasUsed"]),
            fee_wei=int(receipt["gasUsed"]) * int(receipt["effectiveGasPrice"]),
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
