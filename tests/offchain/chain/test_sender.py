"""The transaction sender against a real Anvil: nonces, replacement, typed errors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account
from hexbytes import HexBytes
from web3 import Web3
from web3.contract import Contract
from web3.exceptions import TransactionNotFound, Web3RPCError
from web3.types import TxReceipt

from assay.chain.anvil import Anvil, dev_account, free_port
from assay.chain.fees import GWEI, Fees
from assay.chain.node import connect
from assay.chain.outbox import Outbox
from assay.chain.sender import Mined, Pending, Sender, SendPolicy
from assay.core.errors import (
    ChainError,
    ContractReverted,
    InsufficientFunds,
    NodeUnavailable,
    TransactionTimeout,
)


def test_call_is_mined_and_accounted(sender: Sender, probe: Contract, web3: Web3) -> None:
    before = web3.eth.get_balance(sender.account.address)
    mined = sender.call("Probe.add", probe.functions.add(5))
    assert probe.functions.total().call() == 5
    assert mined.call == "Probe.add"
    assert mined.replacements == 0
    assert before - web3.eth.get_balance(sender.account.address) == mined.fee_wei
    receipt = web3.eth.get_transaction_receipt(mined.hash)
    assert (mined.gas_used, mined.block_number) == (receipt["gasUsed"], receipt["blockNumber"])
    assert len(mined.logs) == 1


def test_many_threads_share_one_account(sender: Sender, probe: Contract, web3: Web3) -> None:
    first = web3.eth.get_transaction_count(sender.account.address)

    def add_one() -> Mined:
        return sender.call("Probe.add", probe.functions.add(1))

    with ThreadPoolExecutor(8) as pool:
        mined = list(
            pool.map(lambda _: sender.call("Probe.add", probe.functions.add(1)), range(24))
        )
    nonces = sorted(web3.eth.get_transaction(item.hash)["nonce"] for item in mined)
    assert nonces == list(range(first, first + 24))
    assert probe.functions.total().call() == 24


def test_nonces_follow_what_is_pending(
    sender: Sender, probe: Contract, anvil: Anvil, web3: Web3, policy: SendPolicy
) -> None:
    anvil.rpc("evm_setAutomine", False)
    data = {"to": probe.address, "data": probe.encode_abi("add", [1])}
    pending = [sender.submit("Probe.add", data) for _ in range(3)]
    stranger = Sender(web3, dev_account(0), policy)  # a restarted process: no memory
    pending.append(stranger.submit("Probe.add", data))
    nonces = [item.nonce for item in pending]
    assert nonces == list(range(nonces[0], nonces[0] + 4))
    anvil.rpc("evm_mine")
    assert [sender.wait(item).replacements for item in pending] == [0] * 4
    assert probe.functions.total().call() == 4


def test_a_nonce_that_another_process_takes_meanwhile(
    sender: Sender,
    probe: Contract,
    anvil: Anvil,
    web3: Web3,
    policy: SendPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its transaction is in the pool between the question for the nonce and the sending."""
    anvil.rpc("evm_setAutomine", False)
    data, theirs = ({"to": probe.address, "data": probe.encode_abi("add", [n])} for n in (1, 2))
    stranger, ask = Sender(web3, dev_account(0), policy), sender._next_nonce
    others: list[Pending] = []

    def late() -> int:
        nonce = ask()
        if not others:
            others.append(stranger.submit("Probe.add", theirs))
        return nonce

    monkeypatch.setattr(sender, "_next_nonce", late)
    pending = sender.submit("Probe.add", data)
    assert pending.nonce == others[0].nonce + 1
    anvil.rpc("evm_mine")
    assert sender.wait(pending).replacements == stranger.wait(others[0]).replacements == 0
    assert probe.functions.total().call() == 3


def test_what_waits_for_nonces_that_a_reorganisation_took_is_mined_once(
    sender: Sender, probe: Contract, anvil: Anvil, web3: Web3
) -> None:
    """They were mined, are undone, and no pool has them: those above them would wait for ever."""
    before, first = anvil.rpc("evm_snapshot"), web3.eth.get_transaction_count(sender.address)
    for _ in range(2):
        sender.call("Probe.add", probe.functions.add(1))
    anvil.rpc("evm_setAutomine", False)
    data = {"to": probe.address, "data": probe.encode_abi("add", [10])}
    waiting = [sender.submit("Probe.add", data)]
    data = {"to": probe.address, "data": probe.encode_abi("add", [20])}
    waiting.append(sender.submit("Probe.add", data))
    anvil.rpc("evm_revert", before)
    assert web3.eth.get_transaction_count(sender.address) == first
    anvil.rpc("evm_setAutomine", True)
    mined = [sender.wait(each) for each in waiting]
    assert [web3.eth.get_transaction(each.hash)["nonce"] for each in mined] == [
        first + 2,
        first + 3,
    ]
    assert probe.functions.total().call() == 30
    assert web3.eth.get_transaction_count(sender.address) == first + 4
    assert sender.call("Probe.add", probe.functions.add(1)).replacements == 0


def test_such_nonces_are_used_up_where_nobody_waits(
    sender: Sender, probe: Contract, anvil: Anvil, web3: Web3
) -> None:
    """A loop's turn does it, whether anything is sent again or not."""
    before = anvil.rpc("evm_snapshot")
    sender.call("Probe.add", probe.functions.add(1))
    anvil.rpc("evm_setAutomine", False)
    sender.submit("Probe.add", {"to": probe.address, "data": probe.encode_abi("add", [10])})
    (left,) = sender.outbox
    left.waited = False
    anvil.rpc("evm_revert", before)
    anvil.rpc("evm_setAutomine", True)
    sender._broadcast(left)  # the node forgot it with the chain; another one has it yet
    left.bid_at -= left.policy.replace_after_seconds
    sender.tend()
    assert probe.functions.total().call() == 10


def test_stuck_transaction_is_replaced(
    sender: Sender, probe: Contract, anvil: Anvil, web3: Web3
) -> None:
    anvil.rpc("evm_setAutomine", False)
    pending = sender.submit(
        "Probe.add", {"to": probe.address, "data": probe.encode_abi("add", [7])}
    )
    first_bid = pending.fees
    # The base fee leaps above the first bid, so that only a replacement can be mined.
    anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(first_bid.max_fee * 2))
    with mining_at(anvil, first_bid.max_fee * 2):
        mined = sender.wait(pending)
    assert mined.replacements >= 1
    assert pending.fees.max_fee > first_bid.max_fee * 2
    assert pending.fees.tip * 1000 >= first_bid.tip * 1125
    assert probe.functions.total().call() == 7


@contextmanager
def mining_at(anvil: Anvil, base_fee: int) -> Iterator[None]:
    """Blocks of this base fee until the end."""
    stop = threading.Event()

    def mine() -> None:
        while not stop.wait(0.3):
            anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
            anvil.rpc("evm_mine")

    miner = threading.Thread(target=mine)
    miner.start()
    try:
        yield
    finally:
        stop.set()
        miner.join()


def test_fee_limit_is_never_passed(
    sender: Sender, probe: Contract, anvil: Anvil, web3: Web3
) -> None:
    base = web3.eth.get_block("latest")["baseFeePerGas"]
    sender.policy = replace(sender.policy, max_fee=base + GWEI // 100, receipt_timeout_seconds=1.5)
    anvil.rpc("evm_setAutomine", False)
    with pytest.raises(TransactionTimeout, match=r"not mined after .* nonce .* ASSAY_MAX_FEE_GWEI"):
        sender.call("Probe.add", probe.functions.add(1))
    sender.policy = replace(sender.policy, max_fee=1)
    with pytest.raises(ChainError, match=r"base fee is .* above the limit"):
        sender.call("Probe.add", probe.functions.add(2))


def test_bump_raises_both_fees_by_an_eighth() -> None:
    bid = Fees(max_fee=1000, tip=8).bumped(Fees(10, 1), limit=2000)
    assert bid == Fees(1126, 10)
    assert Fees(1000, 8).bumped(Fees(1500, 20), limit=2000) == Fees(1500, 20)
    assert Fees(1000, 8).bumped(Fees(10, 1), limit=1100) is None


def test_revert_before_sending_costs_nothing(sender: Sender, probe: Contract, web3: Web3) -> None:
    nonce = web3.eth.get_transaction_count(sender.account.address)
    with pytest.raises(ContractReverted) as caught:
        sender.call("Probe.add", probe.functions.add(0))
    assert caught.value.call == "Probe.add"
    assert caught.value.reason == "probe: nothing to add"
    assert caught.value.transaction is None
    assert web3.eth.get_transaction_count(sender.account.address) == nonce


def test_revert_without_reason(sender: Sender, probe: Contract) -> None:
    with pytest.raises(ContractReverted) as caught:
        sender.call("Probe.fail_silently", probe.functions.fail_silently())
    assert caught.value.reason == ""
    assert "no reason given" in str(caught.value)


def test_mined_revert_is_replayed_for_its_reason(
    sender: Sender, probe: Contract, anvil: Anvil
) -> None:
    anvil.rpc("evm_setAutomine", False)
    late = sender.submit(
        "Probe.add_at", {"to": probe.address, "data": probe.encode_abi("add_at", [1, 0])}
    )
    anvil.rpc("anvil_dropTransaction", late.hashes[0])
    with sender._lock:
        sender.outbox.clear()
    early = sender.submit("Probe.add", {"to": probe.address, "data": probe.encode_abi("add", [3])})
    late.fields["nonce"] = early.nonce + 1
    late.hashes.clear()
    sender._broadcast(late)
    anvil.rpc("evm_mine")
    sender.wait(early)
    with pytest.raises(ContractReverted) as caught:
        sender.wait(late)
    assert caught.value.reason == "probe: above the limit"
    assert caught.value.transaction == late.hashes[0]


def test_nonce_taken_by_another_process(
    sender: Sender, probe: Contract, anvil: Anvil, web3: Web3
) -> None:
    anvil.rpc("evm_setAutomine", False)
    data = {"to": probe.address, "data": probe.encode_abi("add", [1])}
    mine = sender.submit("Probe.add", data)
    anvil.rpc("anvil_dropTransaction", mine.hashes[0])
    other = Sender(web3, dev_account(0), sender.policy)
    theirs = other.submit("Probe.add", {"to": probe.address, "data": probe.encode_abi("add", [2])})
    assert theirs.nonce == mine.nonce
    anvil.rpc("evm_mine")
    with pytest.raises(ChainError, match=r"used by another transaction"):
        sender.wait(mine)


def test_receipt_that_trails_the_nonce_is_waited_for(
    sender: Sender, probe: Contract, web3: Web3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node may count a nonce as used some time before it shows the receipt."""
    real, hidden = web3.eth.get_transaction_receipt, 5

    def late(transaction: HexBytes) -> TxReceipt:
        nonlocal hidden
        hidden -= 1
        if hidden >= 0:
            raise TransactionNotFound(f"no receipt of {transaction!r} yet")
        return real(transaction)

    monkeypatch.setattr(web3.eth, "get_transaction_receipt", late)
    sender.call("Probe.add", probe.functions.add(9))
    assert hidden < 0
    assert probe.functions.total().call() == 9


def test_poor_account_is_told_so(web3: Web3, probe: Contract, policy: SendPolicy) -> None:
    pauper = Sender(web3, Account.create(), policy)
    with pytest.raises(InsufficientFunds, match=r"holds 0.000000 ether"):
        pauper.call("Probe.add", probe.functions.add(1))


def test_node_that_does_not_answer() -> None:
    with pytest.raises(NodeUnavailable, match=r"does not answer"):
        connect(f"http://127.0.0.1:{free_port()}", timeout_seconds=1)


# Finishing what another process sent


def gift(wei: int) -> dict[str, object]:
    return {"to": dev_account(1).address, "data": "0x", "value": wei}


def test_take_up_of_a_mined_transaction(sender: Sender, web3: Web3, policy: SendPolicy) -> None:
    first = sender.send("gift", gift(1))
    nonce = web3.eth.get_transaction(first.hash)["nonce"]
    again = Sender(web3, dev_account(0), policy).take_up("gift", gift(1), nonce, [first.hash])
    assert again is not None and again.hash == first.hash
    assert web3.eth.get_transaction_count(sender.address) == nonce + 1


def test_take_up_of_one_in_the_pool(
    sender: Sender, anvil: Anvil, web3: Web3, policy: SendPolicy
) -> None:
    anvil.rpc("evm_setAutomine", False)
    pending = sender.submit("gift", gift(1))
    anvil.rpc("evm_mine")
    heir = Sender(web3, dev_account(0), policy)
    mined = heir.take_up("gift", gift(1), pending.nonce, pending.hashes)
    assert mined is not None and [mined.hash] == pending.hashes


def test_take_up_replaces_one_that_is_stuck(
    sender: Sender,
    anvil: Anvil,
    web3: Web3,
    policy: SendPolicy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    anvil.rpc("evm_setAutomine", False)
    pending = sender.submit("gift", gift(1))
    written: list[list[str]] = []
    heir = Sender(web3, dev_account(0), policy)
    broadcast = heir._broadcast

    def mine_the_second(bid: Pending) -> None:
        broadcast(bid)
        anvil.rpc("evm_mine")

    monkeypatch.setattr(heir, "_broadcast", mine_the_second)
    write = lambda bid: written.append(list(bid.hashes))  # noqa: E731
    mined = heir.take_up("gift", gift(1), pending.nonce, pending.hashes, write)
    assert mined is not None and mined.replacements >= 1
    assert written[0][0] == pending.hashes[0] and mined.hash in written[-1]


def test_take_up_of_one_that_was_never_sent(sender: Sender, web3: Web3) -> None:
    nonce = web3.eth.get_transaction_count(sender.address)
    mined = sender.take_up("gift", gift(1), nonce, ["0x" + "11" * 32])
    assert mined is not None
    assert web3.eth.get_transaction(mined.hash)["nonce"] == nonce


def test_take_up_of_one_that_lost_its_nonce(sender: Sender, web3: Web3) -> None:
    nonce = web3.eth.get_transaction_count(sender.address)
    sender.send("other", gift(2))
    assert sender.take_up("gift", gift(1), nonce, ["0x" + "11" * 32]) is None
    assert web3.eth.get_transaction_count(sender.address) == nonce + 1


# What nobody waits for any more


def test_what_somebody_gave_up_on_is_taken_up_again(
    sender: Sender, probe: Contract, anvil: Anvil, web3: Web3
) -> None:
    """The same call once more is the same transaction, not a second one behind it."""
    anvil.rpc("evm_setAutomine", False)
    patient = sender.policy
    sender.policy = replace(patient, receipt_timeout_seconds=0.1)
    with pytest.raises(TransactionTimeout):
        sender.call("Probe.add", probe.functions.add(4))
    sender.policy = patient
    anvil.rpc("evm_setIntervalMining", 1)
    try:
        sender.call("Probe.add", probe.functions.add(4))
    finally:
        anvil.rpc("evm_setIntervalMining", 0)
    assert probe.functions.total().call() == 4
    assert list(sender.outbox) == []


def test_an_urgent_transaction_pushes_those_before_it(
    sender: Sender, probe: Contract, anvil: Anvil, web3: Web3
) -> None:
    """A gas spike: what was sent before is not worth its price, and nobody passes a nonce."""
    anvil.rpc("evm_setAutomine", False)
    data = [{"to": probe.address, "data": probe.encode_abi("add", [n])} for n in (1, 2)]
    with sender.under(replace(sender.policy, max_fee=4 * GWEI)):
        cheap = sender.submit("Probe.add", data[0])
    urgent = sender.submit("Probe.add", data[1])
    spike = 50 * GWEI
    anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(spike))
    anvil.rpc("evm_mine")  # neither fits; Anvil drops both from its pool
    with mining_at(anvil, spike):
        mined = sender.wait(urgent)
    assert probe.functions.total().call() == 3
    assert mined.fee_wei >= mined.gas_used * spike
    assert cheap.fees.max_fee >= spike > cheap.policy.max_fee


def test_a_limit_holds_in_a_spike(
    sender: Sender, probe: Contract, anvil: Anvil, web3: Web3
) -> None:
    """What is not worth the spike's price waits, and its bids stay below the limit."""
    anvil.rpc("evm_setAutomine", False)
    limit = 4 * GWEI
    pending = sender.submit(
        "Probe.add", {"to": probe.address, "data": probe.encode_abi("add", [1])}
    )
    pending.policy = replace(sender.policy, max_fee=limit, receipt_timeout_seconds=1.5)
    anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(50 * GWEI))
    anvil.rpc("evm_mine")
    with pytest.raises(TransactionTimeout, match=r"limit 4\.0"):
        sender.wait(pending)
    assert GWEI < pending.fees.max_fee <= limit


def test_a_killed_process_leaves_its_outbox(
    sender: Sender, anvil: Anvil, web3: Web3, policy: SendPolicy, tmp_path: Path
) -> None:
    """Its stuck transaction is found, and pushed by whoever tends the account's next sender."""
    anvil.rpc("evm_setAutomine", False)
    file = tmp_path / "outbox.json"
    victim = Sender(web3, dev_account(0), policy, outbox=file)
    first = victim.submit("gift", gift(1)).fees
    heir = Sender(web3, dev_account(0), policy, outbox=file)
    (found,) = heir.outbox
    assert (found.call, found.nonce, found.fees) == ("gift", first_nonce(victim), first)
    heir.tend()
    (found,) = heir.outbox
    assert found.fees.max_fee * 1000 >= first.max_fee * 1125
    anvil.rpc("evm_mine")
    heir.tend()
    assert list(heir.outbox) == [] and list(Sender(web3, dev_account(0), outbox=file).outbox) == []


def first_nonce(sender: Sender) -> int:
    return next(iter(sender.outbox)).nonce


def test_an_outbox_of_another_chain_is_not_read(
    sender: Sender, anvil: Anvil, web3: Web3, tmp_path: Path
) -> None:
    anvil.rpc("evm_setAutomine", False)
    file = tmp_path / "outbox.json"
    Sender(web3, dev_account(0), outbox=file).submit("gift", gift(1))
    assert list(Outbox(file, "another chain")) == []
    file.write_text("{")
    assert list(Outbox(file, "any")) == []


def test_refused_bid_is_not_kept(sender: Sender, anvil: Anvil, web3: Web3) -> None:
    """Written down before it was sent, and forgotten when the node refused it."""
    anvil.rpc("evm_setAutomine", False)
    first = sender.submit("gift", gift(1))
    lower = Fees(first.fees.max_fee - 1, first.fees.tip)
    written: list[str] = []
    rival = Pending("gift", dict(first.fields), lower)
    rival.journal = lambda bid: written.append(bid.hashes[-1])
    with pytest.raises(Web3RPCError, match="underpriced"):
        sender._broadcast(rival)
    assert len(written) == 1 and rival.hashes == []
