"""A holder's whole life by the wallet's commands, on a real chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.core.vouchers import SignedVoucher, Voucher
from tests.integration.bank import DAY, DOLLAR, ETHER, PART, Bank


def amount(document: dict[str, Any], *path: str) -> str:
    """A value of a document, by its keys."""
    value: Any = document
    for key in path:
        value = value[key]
    return str(value["amount"])


def staked(bank: Bank, role: str, assay: int) -> None:
    """The airdrop claimed, and so much of it staked."""
    bank.send(role, "airdrop")
    bank.send(role, "stake", str(assay))


def test_airdrop(bank: Bank) -> None:
    document = bank.send("holder", "airdrop")
    assert document["result"] == [
        {
            "what": "assay_in_the_wallet",
            "unit": "ASSAY",
            "before": "0",
            "after": "5000000",
            "about": False,
        }
    ]
    assert bank.network.assay.balance_of(bank.address("holder")) == PART


def test_airdrop_for_another_account(bank: Bank) -> None:
    bank.send("gateway", "airdrop", "--for", bank.address("holder"))
    assert bank.network.airdrop.claimed(bank.address("holder"))


def test_stake_and_leave(bank: Bank) -> None:
    staked(bank, "holder", 1_000)
    network, holder = bank.network, bank.address("holder")
    first = bank.send("holder", "unstake", "100.5")
    assert first["facts"]["ticket"] == 0
    bank.send("holder", "unstake", "max")
    assert network.staking.stake_of(holder) == 0

    bank.send("holder", "cancel", "1")
    assert network.staking.free_of(holder) == 1_000 * ETHER - 1005 * ETHER // 10

    bank.until(first["facts"]["ripe"]["unix"] + 10)
    bank.send("holder", "withdraw")
    assert network.assay.balance_of(holder) == PART - 1_000 * ETHER + 1005 * ETHER // 10
    assert network.staking.ticket(holder, 0) == (0, 0)


def test_stake_for_another(bank: Bank) -> None:
    bank.send("holder", "airdrop")
    document = bank.send("holder", "stake", "3", "--for", bank.address("gateway"))
    assert "not to you" in document["warnings"][0]
    assert bank.network.staking.free_of(bank.address("gateway")) == 3 * ETHER


def test_rewards(bank: Bank) -> None:
    staked(bank, "holder", 1_000)
    network, holder = bank.network, bank.address("holder")
    bank.wait(DAY)
    held = network.assay.balance_of(holder)
    bank.send("holder", "claim")
    gained = network.assay.balance_of(holder) - held
    # At least nine tenths of a day of 14 M a year: all but the providers' tenth.
    assert gained >= 14_000_000 * ETHER // 365 * 9 // 10

    bank.wait(DAY)
    bank.send("holder", "compound")
    assert network.staking.free_of(holder) > 1_000 * ETHER + gained // 2


def test_karat_from_mint_to_burn(bank: Bank) -> None:
    staked(bank, "holder", 1_000_000)
    network, holder = bank.network, bank.address("holder")
    quote = bank.ask(None, "quote", "--karat", "1000")
    lock = amount(quote, "facts", "lock")
    document = bank.send("holder", "mint", "--karat", "1000", "--slippage", "1")
    assert network.karat.balance_of(holder) >= 1_000 * ETHER
    assert network.staking.locked_of(holder) == network.minter.position(holder).locked
    assert document["changes"][1]["after"] == lock
    assert amount(document, "facts", "least_karat_accepted") == "990"

    bank.send("holder", "stake-karat", "400")
    assert network.ledger.allowance_of(holder)[0] == 400 * DOLLAR
    bank.send("holder", "unstake-karat", "150")
    bank.send("holder", "unstake-karat", "50")
    bank.send("holder", "cancel-karat", "1")
    bank.wait(DAY)
    bank.send("holder", "withdraw-karat", "0")
    assert network.karat.staked_of(holder) == 250 * ETHER

    bank.send("holder", "burn", "max")
    position = network.minter.position(holder)
    assert position.minted == 250 * ETHER
    assert position.locked == network.staking.locked_of(holder) > 0


def test_mint_of_all_free_stake(bank: Bank) -> None:
    staked(bank, "holder", 90_000)
    bank.send("holder", "mint", "max")
    assert bank.network.staking.free_of(bank.address("holder")) == 0


def test_channel(bank: Bank) -> None:
    staked(bank, "holder", 1_000_000)
    network, holder, gateway = bank.network, bank.address("holder"), bank.address("gateway")
    network.usdc.mint(holder, 50 * DOLLAR)
    bank.send("holder", "mint", "--karat", "1000")
    bank.send("holder", "stake-karat", "1000")
    key = bank.address("stranger")
    words = ("--karat", "600", "--capacity", "25.5", "--deposit", "20", "--session-key", key)
    bank.send("holder", "allocate", gateway, *words, "--expires", "10d")
    channel = network.ledger.channel(holder, gateway)
    assert (channel.karat_micro, channel.capacity_bps) == (600 * DOLLAR, 2_550)
    assert (channel.deposit, channel.session_key) == (20 * DOLLAR, key)

    listed = bank.ask("holder", "show")["channels"]
    assert [row["payee"] for row in listed] == [gateway]
    assert listed[0]["karat_a_day"] == {"amount": "600", "unit": "USDC"}

    document = bank.send("holder", "allocate", gateway, "--karat", "100", "--session-key", "none")
    assert "what_falls_falls" in document["facts"]
    channel = network.ledger.channel(holder, gateway)
    assert (channel.karat_micro, channel.capacity_bps) == (100 * DOLLAR, 2_550)
    assert channel.expires_at == listed[0]["expires"]["unix"]

    bank.send("holder", "allocate", gateway, "--expires", "25h")
    bank.wait(4 * DAY)
    bank.send("stranger", "close-channel", gateway, "--owner", holder)
    assert network.ledger.balance_of(holder) == 20 * DOLLAR
    assert bank.ask("holder", "show")["channels"] == []


def test_dollars(bank: Bank) -> None:
    network, holder = bank.network, bank.address("holder")
    network.usdc.mint(holder, 30 * DOLLAR)
    bank.send("holder", "deposit-usdc", "20.5")
    bank.send("holder", "deposit-usdc", "max", "--for", bank.address("gateway"))
    document = bank.send("holder", "request-usdc", "5.25")
    bank.send("holder", "request-usdc", "max")
    bank.until(document["facts"]["ripe"]["unix"] + 10)
    bank.send("holder", "withdraw-usdc", "0", "--to", bank.address("stranger"))
    assert network.usdc.balance_of(bank.address("stranger")) == 5_250_000
    assert network.ledger.balance_of(holder) == 15_250_000
    assert network.ledger.balance_of(bank.address("gateway")) == 9_500_000


def test_earnings(bank: Bank) -> None:
    """A provider is paid in dollars and credit; it collects both, in whoever's name it likes."""
    staked(bank, "holder", 1_000_000)
    network, holder, provider = bank.network, bank.address("holder"), bank.address("provider")
    bank.send("holder", "mint", "--karat", "1000")
    bank.send("holder", "stake-karat", "1000")
    bank.send("holder", "allocate", holder, "--karat", "40", "--expires", "3d")
    network.usdc.mint(holder, 30 * DOLLAR)
    bank.send("holder", "deposit-usdc", "max")
    own = SignedVoucher(Voucher(holder, holder, network.now() // DAY, 40 * DOLLAR), b"")
    bank.networks["holder"].ledger.collect(own)
    pay(bank, holder, provider, 60 * DOLLAR)
    assert network.ledger.earnings_of(provider) == 19 * DOLLAR  # of 20, less 5 %

    bank.next_day()
    shown = bank.ask("provider", "show")["holdings"]
    assert amount(shown, "earnings_to_collect") == "19"
    document = bank.send("provider", "earnings", "--to", bank.address("stranger"))
    assert [step["call"] for step in document["steps"]] == [
        "EmissionController.reward_work",
        "CreditLedger.withdraw_earnings",
    ]
    assert network.usdc.balance_of(bank.address("stranger")) == 19 * DOLLAR
    assert network.assay.balance_of(provider) > 0
    assert "nothing is earned" in bank.refused("provider", "earnings", code="nothing_to_do")


def pay(bank: Bank, consumer: str, provider: str, price: int) -> None:
    """As the settlement pays a finalised claim, whose whole price credit may pay."""
    ledger, settlement = bank.network.ledger, bank.network.settlement.address
    arguments = (b"job".ljust(32), consumer, provider, price, price, bank.network.now())
    bank.anvil.rpc("anvil_setBalance", settlement, hex(ETHER))
    bank.anvil.rpc("anvil_impersonateAccount", settlement)
    data = ledger.contract.encode_abi("pay", args=arguments)
    call = {"from": settlement, "to": ledger.address, "data": data}
    bank.anvil.rpc("eth_sendTransaction", call)
    bank.anvil.rpc("anvil_stopImpersonatingAccount", settlement)


def test_auction(bank: Bank) -> None:
    bank.send("holder", "airdrop")
    network, holder = bank.network, bank.address("holder")
    network.usdc.mint(network.router.address, 1_000 * DOLLAR)  # a fifth is the audits'
    assert (
        amount(bank.ask(None, "auction"), "facts", "dollars_waiting") == "800"
    )  # a fifth is the audits'
    document = bank.send("stranger", "start-auction")
    assert [step["call"] for step in document["steps"]] == ["FeeRouter.route", "BurnAuction.start"]

    supply = network.assay.total_supply()
    bank.wait(60)
    bank.send("holder", "take", "250", "--max-price", "5")
    burned = supply - network.assay.total_supply()
    assert network.usdc.balance_of(holder) == 250 * DOLLAR
    assert 0 < burned == PART - network.assay.balance_of(holder)

    bank.send("holder", "take", "max", "--to", bank.address("gateway"))
    assert network.usdc.balance_of(bank.address("gateway")) == 550 * DOLLAR
    assert not network.auction.is_live()


def test_auction_through_the_pool(bank: Bank) -> None:
    """Who holds nothing fills from the pool and keeps the difference."""
    network = bank.network
    bank.send("proposer", "airdrop")
    network.usdc.mint(bank.address("proposer"), 100_000 * DOLLAR)
    # A dollar buys 2 ASSAY in the pool; the auction begins at a fifth and falls.
    bank.uniswap.add_liquidity(network.assay, 200_000 * ETHER, network.usdc, 100_000 * DOLLAR)
    network.usdc.mint(network.router.address, 500 * DOLLAR)
    bank.send("stranger", "start-auction")
    words = ("take", "max", "--through-pool")
    message = bank.refused("stranger", *words, "--min-profit", "5000", code="too_little")
    assert "wait until the price has fallen" in message
    bank.send("stranger", *words)
    assert network.assay.balance_of(bank.address("stranger")) > 500 * ETHER
    assert not network.auction.is_live()


def test_governance(bank: Bank, tmp_path: Path) -> None:
    network, path = bank.network, tmp_path / "capacity.json"
    rules = network.auction.parameters()
    calls = (
        "EmissionController.set_daily_capacity(20000000000)",
        f"BurnAuction.set_parameters([{rules.floor_price}, 30000, 600, 50000000000, "
        f"{rules.min_lot_usd_micro}, 1200])",
    )
    words = [word for call in calls for word in ("--call", call)]
    propose = ("governance", "propose", str(path), "--description", "Twice the capacity")
    proposed = bank.ask(None, *propose, *words)
    assert [row["function"] for row in proposed["calls"]] == [
        "set_daily_capacity",
        "set_parameters",
    ]
    assert proposed["warnings"] == []
    written = json.loads(path.read_text())
    assert written["calls"][0]["arguments"] == {"capacity_usd_micro": "20000000000"}
    assert written["calls"][1]["arguments"]["parameters"]["start_multiple_bps"] == "30000"

    queued = bank.send("proposer", "governance", "queue", str(path))
    waiting = bank.ask(None, "governance", "show", str(path))
    assert waiting["facts"]["state"] == "waiting"
    bank.refused("stranger", "governance", "execute", str(path), code="not_ready")

    bank.until(queued["facts"]["can_be_executed"]["unix"] + 10)
    bank.send("stranger", "governance", "execute", str(path))
    today = network.now() // DAY
    assert network.emissions.daily_capacity(today + 1) == 20_000 * DOLLAR
    assert network.auction.parameters().start_multiple_bps == 30_000
    listed = bank.ask(None, "governance", "show")["operations"]
    assert [(row["state"], row["function"]) for row in listed] == [
        ("executed", "set_daily_capacity"),
        ("executed", "set_parameters"),
    ]


def test_governance_cancel(bank: Bank, tmp_path: Path) -> None:
    path = tmp_path / "fee.json"
    call = ("--description", "No fee", "--call", "CreditLedger.set_fee(0)")
    bank.ask(None, "governance", "propose", str(path), *call)
    bank.send("proposer", "governance", "queue", str(path))
    bank.send("proposer", "governance", "cancel", str(path))
    shown = bank.ask(None, "governance", "show", str(path))
    assert shown["facts"]["state"] == "not queued"


def test_show_everything(bank: Bank) -> None:
    staked(bank, "holder", 1_000_000)
    bank.send("holder", "unstake", "10")
    bank.send("holder", "mint", "--karat", "100")
    shown = bank.ask("holder", "show")
    holdings = shown["holdings"]
    assert amount(holdings, "assay_in_the_wallet") == "4000000"
    assert amount(holdings, "karat_minted_and_not_burned").startswith("100")
    assert [ticket["command"] for ticket in shown["tickets"]] == ["withdraw"]
    # Anyone may look at anyone, without a key.
    assert bank.ask(None, "show", bank.address("holder"))["holdings"].keys() == holdings.keys()
    text = bank.run("holder", "show").output
    assert "4,000,000 ASSAY" in text and "holdings" in text


def test_dry_run_sends_nothing(bank: Bank) -> None:
    bank.send("holder", "airdrop")
    before = bank.network.web3.eth.block_number
    result = bank.run("holder", "stake", "12.5", "--dry-run")
    assert result.exit_code == 0
    assert "dry run: nothing was sent" in result.output
    assert "AssayToken.approve" in result.output
    document = bank.ask("holder", "stake", "12.5", "--dry-run")
    # The second step is rehearsed on the state that the first would leave.
    assert [step["gas"] > 40_000 for step in document["steps"]] == [True, True]
    assert bank.network.web3.eth.block_number == before
    assert bank.network.assay.balance_of(bank.address("holder")) == PART


def test_dry_run_needs_no_password(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    bank.send("holder", "airdrop")
    environment = bank.environment("holder")
    (bank.keys / "nothing").write_text("")
    monkeypatch.setattr(
        type(bank),
        "environment",
        lambda self, role: {**environment, "ASSAY_PASSWORD_FILE": str(bank.keys / "nothing")},
    )
    assert bank.ask("holder", "stake", "1", "--dry-run")["dry_run"] is True


def test_confirmation(bank: Bank) -> None:
    result = bank.run("holder", "airdrop", answer="y\n")
    assert result.exit_code == 0
    assert "mined in block" in result.output
    assert bank.network.airdrop.claimed(bank.address("holder"))
