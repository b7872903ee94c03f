"""The event reader against a real Anvil, reorganisations included."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from web3 import Web3
from web3.contract import Contract

from assay.chain.anvil import Anvil
from assay.chain.events import EventReader, Source
from assay.chain.sender import Sender
from assay.core.errors import DeepReorganisation, NodeUnavailable

DEPTH = 4


@pytest.fixture
def reader(web3: Web3, probe: Contract) -> EventReader:
    source = Source("Probe", str(probe.address), probe.abi)
    return EventReader(web3, [source], web3.eth.block_number, reorg_depth=DEPTH)


def totals(events: list) -> list[int]:
    return [event.args["total"] for event in events]


def add(sender: Sender, probe: Contract, amount: int) -> None:
    sender.call("Probe.add", probe.functions.add(amount))


def test_each_event_is_reported_once(
    reader: EventReader, sender: Sender, probe: Contract, web3: Web3
) -> None:
    add(sender, probe, 1)
    add(sender, probe, 2)
    update = reader.poll()
    assert totals(update.added) == [1, 3]
    assert update.removed == []
    assert update.head == web3.eth.block_number
    event = update.added[0]
    assert (event.contract, event.name) == ("Probe", "Counted")
    assert event.args["by"] == sender.address
    assert reader.poll().added == []
    for amount in range(3, 3 + 2 * DEPTH):
        add(sender, probe, amount)
    assert len(reader.poll().added) == 2 * DEPTH
    assert reader.poll().added == []


def test_long_ranges_are_read_in_pieces(
    web3: Web3, probe: Contract, sender: Sender, anvil: Anvil
) -> None:
    start = web3.eth.block_number
    add(sender, probe, 1)
    anvil.rpc("anvil_mine", hex(7))
    add(sender, probe, 2)
    source = Source("Probe", str(probe.address), probe.abi)
    reader = EventReader(web3, [source], start, reorg_depth=2, blocks_per_call=3)
    assert totals(reader.poll().added) == [1, 3]


def test_other_contracts_are_ignored(
    web3: Web3, reader: EventReader, sender: Sender, probe_code: dict[str, object]
) -> None:
    mined = sender.send("Probe.deploy", {"data": probe_code["bytecode"]})
    other = web3.eth.contract(address=mined.contract_address, abi=probe_code["abi"])
    sender.call("Probe.add", other.functions.add(1))
    assert reader.poll().added == []


def test_reorganisation_undoes_and_redoes(
    reader: EventReader, sender: Sender, probe: Contract, anvil: Anvil
) -> None:
    add(sender, probe, 1)
    base = anvil.rpc("evm_snapshot")
    add(sender, probe, 2)
    add(sender, probe, 3)
    assert totals(reader.poll().added) == [1, 3, 6]
    anvil.rpc("evm_revert", base)
    add(sender, probe, 10)
    update = reader.poll()
    assert totals(update.removed) == [6, 3]
    assert totals(update.added) == [11]
    assert reader.poll() == type(update)([], [], update.head)


def test_same_transaction_in_another_block_is_another_event(
    reader: EventReader, sender: Sender, probe: Contract, anvil: Anvil
) -> None:
    base = anvil.rpc("evm_snapshot")
    add(sender, probe, 5)
    before = reader.poll().added
    anvil.rpc("evm_revert", base)
    anvil.rpc("anvil_mine", hex(1))
    add(sender, probe, 5)
    update = reader.poll()
    assert totals(update.removed) == totals(update.added) == [5]
    assert update.added[0].block_hash != before[0].block_hash


def test_a_poll_that_fails_loses_nothing(
    reader: EventReader, sender: Sender, probe: Contract, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of its questions is the one that is not answered."""
    for amount in range(1, 2 * DEPTH):
        add(sender, probe, amount)
    get_block, get_logs = reader.web3.eth.get_block, reader.web3.eth.get_logs
    left = 0

    def answer_or_fail(ask: Any) -> Any:
        def call(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise requests.ConnectionError("the node is away")
            return ask(*args)

        return call

    monkeypatch.setattr(reader.web3.eth, "get_block", answer_or_fail(get_block))
    monkeypatch.setattr(reader.web3.eth, "get_logs", answer_or_fail(get_logs))
    for answered in range(3):
        left = answered
        with pytest.raises(NodeUnavailable):
            reader.poll()
    left = 3
    assert len(reader.poll().added) == 2 * DEPTH - 1


def test_too_deep_reorganisation_is_refused(
    reader: EventReader, sender: Sender, probe: Contract, anvil: Anvil
) -> None:
    base = anvil.rpc("evm_snapshot")
    for amount in range(1, 2 * DEPTH):
        add(sender, probe, amount)
    reader.poll()
    anvil.rpc("evm_revert", base)
    for amount in range(1, 2 * DEPTH):
        add(sender, probe, amount + 1)
    with pytest.raises(DeepReorganisation, match=f"deeper than {DEPTH} blocks"):
        reader.poll()
