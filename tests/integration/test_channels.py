"""What a gateway reads of channels and collects from them, over days, on a real ledger.

Chain and books are real and in this process; time is the chain's, moved for days.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount
from sqlalchemy import Engine, select, update

from assay.chain.anvil import dev_account
from assay.chain.ledger import ChannelState
from assay.chain.wallets import accepts
from assay.core.database import open_database, reading, sqlite_url, writing
from assay.core.errors import InputError, NodeUnavailable
from assay.core.signing import sign_voucher
from assay.core.types import Hash, Receipt
from assay.core.vouchers import SignedVoucher, Voucher
from assay.gateway.accounts.books import Admitted, Asked, Books, settle
from assay.gateway.accounts.caller import Caller
from assay.gateway.accounts.channels import Channels, Reading, write_readings
from assay.gateway.accounts.collector import Collector
from assay.gateway.accounts.limits import Rates
from assay.gateway.accounts.sign_in import SignIn
from assay.gateway.chain_time import ChainTime
from assay.gateway.leases import CHAIN, Leases
from assay.gateway.tables import REVISIONS, accounts, channel_days
from assay.gateway.writer import Writer
from tests.integration.bank import DAY, ROLES, Bank
from tests.integration.test_burn_market import create

NOBODY = "0x" + "00" * 20


@dataclass
class Till:
    """One gateway's books beside the bank's chain. `owner` is the holder."""

    bank: Bank
    engine: Engine
    writer: Writer
    chain_time: ChainTime
    channels: Channels
    leases: Leases
    jobs: int = 0

    @property
    def owner(self) -> str:
        return self.bank.address("holder")

    @property
    def payee(self) -> str:
        return self.bank.address("gateway")

    def collector(self, threshold: int = 1, margin: int = 0) -> Collector:
        return Collector(
            self.bank.networks["gateway"], self.channels, self.engine, self.writer,
            self.chain_time, self.leases, threshold, margin,
        )  # fmt: skip

    def open(self, deposit: int, session_key: str) -> None:
        """The owner's channel: dollars, and who may sign."""
        own = self.bank.networks["holder"]
        self.bank.network.usdc.mint(self.owner, deposit)
        own.usdc.approve(own.ledger.address, deposit)
        expires = own.now() + 30 * DAY
        own.ledger.set_channel(self.payee, 0, 0, session_key, expires, deposit)
        self.look()

    def look(self) -> Reading:
        """Read chain's time and the channel, as the gateway's loops do."""
        self.chain_time.read()
        asyncio.run(self.channels.refresh(self.owner))
        return self.channels.read(self.owner, self.chain_time.day)

    def spend(self, price: int, wanted: int | None = None) -> bool:
        """A job of this price, admitted and answered; False if it is refused."""
        self.jobs += 1
        job_id = self.jobs.to_bytes(32, "big")
        asked = Asked(
            job_id, Caller("", self.owner), "m", 1, 1, wanted or price, 2**40,
            self.chain_time.day, float(self.chain_time.block),
        )  # fmt: skip
        with writing(self.engine) as connection:
            (outcome,) = Books(Rates(None, None), None).admit(connection, [asked])
            settle(connection, {job_id: Receipt(job_id, bytes(32), 1, price)})
        return isinstance(outcome, Admitted)

    def row(self, day: int) -> Any:
        with reading(self.engine) as connection:
            at = (channel_days.c.owner == self.owner, channel_days.c.day == day)
            return connection.execute(select(channel_days).where(*at)).one()

    def prepaid(self) -> int:
        with reading(self.engine) as connection:
            return int(connection.execute(select(accounts.c.prepaid)).scalar_one())

    def balance(self) -> int:
        return self.bank.network.ledger.balance_of(self.payee)

    def voucher(self, cumulative: int) -> SignedVoucher:
        network = self.bank.network
        voucher = Voucher(self.owner, self.payee, self.chain_time.day, cumulative)
        account = dev_account(ROLES.index("holder"))
        return sign_voucher(account, voucher, network.chain_id, network.ledger.address)


@pytest.fixture
def till(bank: Bank, tmp_path: Path) -> Iterator[Till]:
    bank.next_day()
    engine = open_database(sqlite_url(tmp_path / "gateway.db"), REVISIONS)
    writer = Writer(engine)
    network = bank.networks["gateway"]
    chain_time = ChainTime(network)
    gateway: LocalAccount = dev_account(ROLES.index("gateway"))
    channels = Channels(network, gateway, engine, writer, chain_time)
    yield Till(bank, engine, writer, chain_time, channels, Leases(writer))
    writer.close()
    engine.dispose()


def test_default_behavior(till: Till) -> None:
    """A day's answers are collected once, and what is not spent stays in the channel."""
    till.open(100, till.payee)
    assert [till.spend(price) for price in (30, 40, 31)] == [True, True, False]
    till.collector(threshold=71).turn()
    assert till.balance() == 0
    for _ in range(2):
        till.collector(threshold=70).turn()
        assert till.balance() == 70
    assert till.spend(30)
    till.collector().turn()
    assert till.balance() == 100
    found = till.look()
    assert (found.ceiling, found.collected, found.delegated) == (100, 100, True)


def test_a_collection_that_was_undone_is_made_again(till: Till) -> None:
    till.open(100, till.payee)
    till.spend(30)
    snapshot = till.bank.anvil.rpc("evm_snapshot")
    till.collector().turn()
    assert till.balance() == 30
    till.bank.anvil.rpc("evm_revert", snapshot)
    collector = till.collector()
    collector.turn()
    assert till.balance() == 0
    collector.reread()
    collector.turn()
    assert till.balance() == 30


def test_a_day_is_collected_before_it_is_too_late(till: Till) -> None:
    """At the end of its day whatever the threshold, and on the next if that was missed."""
    till.open(100, till.payee)
    day = till.chain_time.day
    till.spend(30)
    till.collector(threshold=1_000, margin=3_600).turn()
    assert till.balance() == 0
    till.bank.until((day + 1) * DAY - 1_800)
    till.chain_time.read()
    till.collector(threshold=1_000, margin=3_600).turn()
    assert till.balance() == 30
    till.spend(10)
    till.bank.next_day()
    # What yesterday's voucher will take from the deposit is no more there today.
    assert till.look().ceiling == 60
    assert not till.spend(61)
    till.collector(threshold=1_000).turn()
    assert (till.balance(), till.row(day).collected) == (40, 40)
    assert till.look().ceiling == 60


def test_what_was_collected_of_yesterday_is_not_taken_from_today_again(till: Till) -> None:
    """The books may not know it yet: the replica that sent the voucher was killed then."""
    till.open(100, till.payee)
    day = till.chain_time.day
    till.spend(40)
    till.bank.next_day()
    assert till.look().ceiling == 60
    till.bank.networks["gateway"].ledger.collect(till.channels.sign(till.owner, day, 40))
    assert (till.balance(), till.row(day).collected) == (40, 0)
    assert till.look().ceiling == 60


def test_yesterday_is_read_whatever_the_day_before_left(till: Till) -> None:
    """Of that day the ledger says nothing any more."""
    till.open(100, till.payee)
    day = till.chain_time.day
    till.spend(30)
    till.bank.next_day()
    till.look()
    till.bank.next_day()
    till.chain_time.read()
    row = till.row(day)
    assert (row.metered, row.collected, till.chain_time.day) == (30, 0, day + 2)
    found = till.channels.read(till.owner, day + 1)
    assert (found.ceiling, found.collected) == (100, 0)


def test_a_session_key_counts_from_the_day_on_which_the_ledger_takes_it(till: Till) -> None:
    till.open(100, till.bank.address("stranger"))
    assert not till.spend(1)
    till.open(1, till.payee)
    assert till.look().ceiling == 0 and not till.spend(1)
    till.bank.next_day()
    assert till.look().ceiling == 101 and till.spend(101)


def test_an_owners_voucher_that_paid_too_much_becomes_prepaid(till: Till) -> None:
    till.open(100, NOBODY)
    day = till.chain_time.day
    assert asyncio.run(till.channels.post(till.voucher(50))).ceiling == 50
    assert till.spend(30, wanted=50)
    till.collector().turn()
    assert till.balance() == 50
    assert till.spend(5) and not till.spend(16)
    till.collector().turn()
    assert till.prepaid() == 0
    till.bank.next_day()
    till.look()
    for _ in range(2):
        till.collector().turn()
        assert (till.prepaid(), till.row(day).returned) == (15, 15)
    assert till.spend(15) and till.prepaid() == 0


def test_what_was_given_back_repays_nothing(till: Till) -> None:
    """It is prepaid already; of its day no dollar is left."""
    till.open(100, NOBODY)
    day = till.chain_time.day
    asyncio.run(till.channels.post(till.voucher(50)))
    till.spend(30, wanted=50)
    till.collector().turn()
    till.bank.next_day()
    till.look()
    till.collector().turn()
    assert (till.prepaid(), till.row(day).returned) == (20, 20)
    with writing(till.engine) as connection:
        connection.execute(update(accounts).values(prepaid=-5))
        write_readings(connection, [till.channels.read(till.owner, day)])
    row = till.row(day)
    assert (row.ceiling, row.metered, row.repaid, till.prepaid()) == (50, 30, 0, -5)


def test_a_channel_that_cannot_be_read_is_not_taken_for_an_empty_one(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    till.open(100, till.payee)
    till.bank.next_day()
    till.chain_time.read()

    def away(*args: Any) -> Reading:
        raise NodeUnavailable("the node is away")

    with monkeypatch.context() as patch:
        patch.setattr(till.channels, "read", away)
        for _ in range(2):  # also when it was asked just before
            with pytest.raises(NodeUnavailable):
                asyncio.run(till.channels.renew(till.owner))
    assert till.look().ceiling == 100
    asyncio.run(till.channels.renew(till.owner))


def test_a_voucher_that_is_collected_while_the_channel_is_read(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another replica's transaction is mined between two questions of one reading."""
    till.open(100, NOBODY)
    asyncio.run(till.channels.post(till.voucher(50)))
    assert till.spend(10)
    ledger = till.bank.networks["gateway"].ledger
    ask = ledger.channel_state

    def ask_and_mine(*args: Any) -> ChannelState:
        state = ask(*args)
        if not till.balance():
            ledger.collect(till.voucher(50))
        return state

    monkeypatch.setattr(ledger, "channel_state", ask_and_mine)
    before, after = (till.channels.read(till.owner, till.chain_time.day) for _ in range(2))
    assert till.balance() == 50
    assert (before.ceiling, before.collected) == (50, 0)
    assert (after.ceiling, after.collected) == (50, 50)


def test_a_voucher_that_comes_while_the_channel_is_read(till: Till) -> None:
    """What was read before it is not written over what was read after it."""
    till.open(100, NOBODY)
    before = till.look()
    asyncio.run(till.channels.post(till.voucher(50)))
    with writing(till.engine) as connection:
        write_readings(connection, [before])
    assert till.row(till.chain_time.day).ceiling == 50
    assert till.spend(50)


@pytest.mark.parametrize(
    "change", [{"cumulative": 51}, {"day": 1}, {"payee": NOBODY}, {"owner": NOBODY}], ids=str
)
def test_revert_another_voucher(till: Till, change: dict[str, Any]) -> None:
    till.open(100, NOBODY)
    signed = till.voucher(50)
    other = SignedVoucher(Voucher(**{**vars(signed.voucher), **change}), signed.signature)
    with pytest.raises(InputError) as error:
        asyncio.run(till.channels.post(other))
    assert error.value.code == "invalid_voucher"
    assert not till.spend(1)


def test_replicas_take_turns(till: Till) -> None:
    """Who finds the lease taken leaves the collection to the other."""
    till.open(100, till.payee)
    till.spend(30)
    other = Leases(till.writer)
    with other.holding(CHAIN, 60) as held:
        assert held
        till.collector().turn()
        assert till.balance() == 0
        with till.leases.holding(CHAIN, 60) as mine:
            assert not mine
    till.collector().turn()
    assert till.balance() == 30


def test_a_contract_wallet_signs_in(till: Till) -> None:
    """ERC-1271: the wallet's key signs, the wallet is the owner."""
    network = till.bank.networks["stranger"]
    key = dev_account(ROLES.index("stranger"))
    assert network.sender is not None
    wallet = create(network.sender, "TestWallet", key=key.address).address
    desk = SignIn(
        network, dev_account(1), "http://gateway.test", till.writer, lambda: 1_700_000_000.0
    )
    text = desk.challenge(wallet).text()
    signature = bytes(key.sign_message(encode_defunct(text=text)).signature)
    assert asyncio.run(desk.owner(text, signature)) == wallet
    again = desk.challenge(wallet).text()
    with pytest.raises(InputError, match="is not"):
        asyncio.run(desk.owner(again, signature))
    assert not accepts(network.web3, till.owner, Hash(bytes(32)), signature)
