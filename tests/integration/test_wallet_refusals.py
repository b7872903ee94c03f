"""What the wallet's commands refuse, and what they say to do about it. Nothing is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from eth_account import Account

from assay.chain.airdrop import AirdropTree
from assay.chain.keys import THROWAWAY_STRENGTH, write_keystore
from assay.chain.rehearse import Call
from assay.chain.sender import Mined
from assay.core.errors import ContractReverted
from assay.wallet.account import Wallet
from assay.wallet.actions import karat, staking
from assay.wallet.commands import wallet as commands
from assay.wallet.run import Mode, carry_out
from assay.wallet.screen import Screen
from tests.integration.bank import DAY, DOLLAR, Bank

SEND = Mode(yes=True)


def opened(bank: Bank, role: str) -> Wallet:
    return Wallet(bank.networks[role], bank.address(role), bank.folder)


@pytest.fixture(scope="module")
def prepared(founded_bank: Bank) -> Iterator[Bank]:
    """The holder has 4,000,000 ASSAY, a stake of 1,000,000, and 100 KARAT staked, of which it
    has allocated 60 to the gateway. Nobody else has anything but ether."""
    with founded_bank.undone():
        founded_bank.send("holder", "airdrop")
        founded_bank.send("holder", "stake", "1000000")
        founded_bank.send("holder", "mint", "--karat", "100")
        founded_bank.send("holder", "stake-karat", "100")
        words = ("--karat", "60", "--expires", "10d")
        founded_bank.send("holder", "allocate", founded_bank.address("gateway"), *words)
        yield founded_bank


@pytest.fixture
def bank(prepared: Bank) -> Iterator[Bank]:
    with prepared.undone():
        yield prepared


@pytest.fixture
def outsider(bank: Bank) -> str:
    """The role of an account without ether, and without a part of the airdrop."""
    path = bank.keys / "outsider.json"
    if not path.exists():
        password = (bank.keys / "password").read_text().strip()
        write_keystore(Account.create(), path, password, THROWAWAY_STRENGTH)
    return "outsider"


# airdrop


def test_airdrop_without_a_part(bank: Bank, outsider: str) -> None:
    assert "not among the 10 accounts" in bank.refused(outsider, "airdrop", code="no_part")


def test_airdrop_twice(bank: Bank) -> None:
    assert "nothing is left" in bank.refused("holder", "airdrop", code="nothing_to_do")


def test_airdrop_too_late(bank: Bank) -> None:
    bank.until(bank.network.airdrop.deadline() + 1)
    assert "ended" in bank.refused("stranger", "airdrop", code="too_late")


def test_airdrop_with_another_list(bank: Bank, tmp_path: Path) -> None:
    AirdropTree([(bank.address("stranger"), 1)]).save(tmp_path / "other.json")
    words = ("airdrop", "--proofs", str(tmp_path / "other.json"))
    assert "--proofs" in bank.refused("stranger", *words, code="wrong_proofs")


# amounts


def test_bad_amount(bank: Bank) -> None:
    assert "with a point" in bank.refused("holder", "stake", "1,5", code="bad_amount")


def test_too_many_decimals(bank: Bank) -> None:
    message = bank.refused("holder", "deposit-usdc", "1.0000001", code="bad_amount")
    assert "7 decimals, USDC has 6" in message


# stake


def test_stake_more_than_held(bank: Bank) -> None:
    message = bank.refused("stranger", "stake", "12.5", code="too_little")
    assert "12.5 ASSAY missing" in message and "airdrop" in message


def test_stake_max_of_nothing(bank: Bank) -> None:
    bank.refused("stranger", "stake", "max", code="too_little")


def test_unstake_more_than_free(bank: Bank) -> None:
    bank.send("holder", "unstake", "max")
    message = bank.refused("holder", "unstake", "1", code="too_little")
    assert "ASSAY locked for KARAT" in message
    assert "1 ASSAY missing" in message and "burn" in message


def test_ticket_that_is_not_ripe(bank: Bank) -> None:
    bank.send("holder", "unstake", "7")
    assert "0 (7 ASSAY, ripe 20" in bank.refused("holder", "withdraw", code="not_ripe")
    assert "withdraw it from 20" in bank.refused("holder", "withdraw", "0", code="not_ripe")


def test_ticket_that_does_not_exist(bank: Bank) -> None:
    bank.send("holder", "unstake", "7")
    message = bank.refused("holder", "cancel", "3", code="no_ticket")
    assert "open tickets: 0 (7 ASSAY" in message


def test_no_ticket_at_all(bank: Bank) -> None:
    assert "no ticket is open" in bank.refused("stranger", "withdraw-karat", code="not_ripe")


@pytest.mark.parametrize("action", ["claim", "compound"])
def test_no_reward(bank: Bank, action: str) -> None:
    assert "nothing is staked" in bank.refused("stranger", action, code="nothing_to_do")


# KARAT


def test_mint_more_than_the_free_stake(bank: Bank) -> None:
    message = bank.refused("holder", "mint", "1000001", code="too_little")
    assert "ASSAY missing" in message and "stake" in message


def test_mint_without_saying_what(bank: Bank) -> None:
    assert "--karat" in bank.refused("holder", "mint", code="bad_amount")


def test_mint_of_too_much_at_once(bank: Bank) -> None:
    result = bank.run(None, "quote", "--karat", "33000", "--json")
    assert "mint in parts" in json.loads(result.stdout)["error"]["message"]


def test_mint_after_others(bank: Bank) -> None:
    """Between the quote and the transaction somebody else has minted."""
    own = opened(bank, "holder")
    plan = karat.mint(own, "90000", slippage="0.1")
    bank.send("whale", "airdrop")
    bank.send("whale", "stake", "max")
    bank.send("whale", "mint", "2000000")
    with pytest.raises(ContractReverted, match=r"less than the minimum.*--slippage"):
        carry_out(plan, own, SEND, Screen(False))
    assert bank.network.karat.balance_of(bank.address("holder")) == 0


def test_burn_without_having_minted(bank: Bank) -> None:
    assert "minted no KARAT" in bank.refused("stranger", "burn", "1", code="nothing_to_do")


def test_burn_of_staked_karat(bank: Bank) -> None:
    message = bank.refused("holder", "burn", "10", code="too_little")
    assert "unstake-karat" in message and "100 KARAT staked" in message


def test_unstake_of_allocated_karat(bank: Bank) -> None:
    message = bank.refused("holder", "unstake-karat", "41", code="too_little")
    assert "60 KARAT that channels claim" in message
    assert bank.address("gateway") in message
    assert "1 KARAT missing" in message


# channels


def test_allocate_more_karat_than_staked(bank: Bank) -> None:
    words = ("allocate", bank.address("provider"), "--karat", "41")
    message = bank.refused("holder", *words, code="over_allocated")
    assert "other channels claim 60 USDC" in message
    assert f"{bank.address('gateway')} 60 USDC a day" in message


def test_allocate_what_was_lowered_today(bank: Bank) -> None:
    """A promise that fell counts until midnight; the chain refuses, the wallet explains."""
    bank.send("holder", "allocate", bank.address("gateway"), "--karat", "0")
    words = ("allocate", bank.address("provider"), "--karat", "41")
    message = bank.refused("holder", *words, code="reverted")
    assert "lowered today counts until 00:00 UTC" in message
    bank.next_day()
    bank.send("holder", *words)


def test_allocate_more_than_all_capacity(bank: Bank) -> None:
    bank.send("holder", "allocate", bank.address("gateway"), "--capacity", "70")
    words = ("allocate", bank.address("provider"), "--capacity", "30.01")
    assert "70 % of 100 %" in bank.refused("holder", *words, code="over_allocated")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--karat", "1", "--expires", "2001-01-01"), "bad_time"),
        (("--karat", "1", "--expires", "soon"), "bad_time"),
        (("--expires", "30d"), "bad_amount"),
        (("--capacity", "100.5"), "bad_amount"),
        (("--deposit", "1"), "too_little"),
        (("--karat", "1", "--session-key", "0x12"), "bad_address"),
    ],
)
def test_bad_channel(bank: Bank, words: tuple[str, ...], code: str) -> None:
    bank.refused("holder", "allocate", bank.address("provider"), *words, code=code)


def test_expiry_without_notice(bank: Bank) -> None:
    words = ("allocate", bank.address("gateway"), "--expires", "2h")
    assert "25h" in bank.refused("holder", *words, code="too_soon")


def test_close_without_a_channel(bank: Bank) -> None:
    bank.refused("holder", "close-channel", bank.address("provider"), code="no_channel")


def test_close_too_early(bank: Bank) -> None:
    words = ("close-channel", bank.address("gateway"))
    assert "can be closed 20" in bank.refused("holder", *words, code="not_expired")


# dollars


def test_deposit_more_than_held(bank: Bank) -> None:
    message = bank.refused("holder", "deposit-usdc", "3", code="too_little")
    assert "3 USDC missing" in message


def test_notice_of_more_than_is_free(bank: Bank) -> None:
    bank.network.usdc.mint(bank.address("holder"), 10 * DOLLAR)
    bank.send("holder", "deposit-usdc", "10")
    bank.send("holder", "request-usdc", "8")
    message = bank.refused("holder", "request-usdc", "3", code="too_little")
    assert "beside 8 USDC under notice" in message


def test_frozen_recipient(bank: Bank) -> None:
    """The dollar token refuses the account; another one can be paid instead."""
    holder = bank.address("holder")
    bank.network.usdc.mint(holder, 10 * DOLLAR)
    bank.send("holder", "deposit-usdc", "10")
    ticket = bank.send("holder", "request-usdc", "10")
    bank.until(ticket["facts"]["ripe"]["unix"] + 10)
    bank.network.usdc.write("blacklist", holder, True)
    assert "--to" in bank.refused("holder", "withdraw-usdc", code="reverted")
    bank.send("holder", "withdraw-usdc", "--to", bank.address("gateway"))


def test_nothing_is_sent_if_the_last_step_would_fail(bank: Bank) -> None:
    """Not even the approval of the dollars for a channel that the ledger refuses."""
    network, holder = bank.network, bank.address("holder")
    network.usdc.mint(holder, 10 * DOLLAR)
    bank.send("holder", "allocate", bank.address("gateway"), "--karat", "0")
    words = ("allocate", bank.address("provider"), "--karat", "41", "--deposit", "10")
    bank.refused("holder", *words, code="reverted")
    assert network.usdc.allowance(holder, network.ledger.address) == 0


# auction


def live(bank: Bank) -> None:
    bank.network.usdc.mint(bank.network.router.address, 100 * DOLLAR)
    bank.send("stranger", "start-auction")


def test_take_without_an_auction(bank: Bank) -> None:
    assert "start-auction" in bank.refused("holder", "take", "1", code="no_auction")


def test_start_without_dollars(bank: Bank) -> None:
    assert "at least 1 USDC" in bank.refused("holder", "start-auction", code="too_little")


def test_start_twice(bank: Bank) -> None:
    live(bank)
    assert "take" in bank.refused("holder", "start-auction", code="nothing_to_do")


def test_start_too_soon(bank: Bank) -> None:
    live(bank)
    bank.wait(bank.network.auction.parameters().duration_seconds)
    assert "may start 20" in bank.refused("holder", "start-auction", code="too_soon")


def test_take_above_the_price_limit(bank: Bank) -> None:
    live(bank)
    message = bank.refused("holder", "take", "1", "--max-price", "0.05", code="slippage")
    assert "above your limit of 0.05 ASSAY per USDC" in message


def test_take_more_than_is_left(bank: Bank) -> None:
    live(bank)
    assert "0.5 USDC missing" in bank.refused("holder", "take", "100.5", code="too_little")


def test_take_without_assay(bank: Bank) -> None:
    live(bank)
    assert "ASSAY missing" in bank.refused("stranger", "take", "1", code="too_little")


def test_fill_from_an_empty_pool(bank: Bank) -> None:
    live(bank)
    bank.refused("holder", "take", "1", "--through-pool", code="no_profit")


def test_fill_with_other_options(bank: Bank) -> None:
    bank.refused("holder", "take", "1", "--min-profit", "1", code="bad_options")
    words = ("take", "1", "--through-pool", "--max-price", "1")
    bank.refused("holder", *words, code="bad_options")


# governance


@pytest.fixture
def proposal(bank: Bank, tmp_path: Path) -> str:
    path = str(tmp_path / "fee.json")
    bank.ask(None, *propose(path, "CreditLedger.set_fee(100)"))
    return path


def propose(path: str, call: str) -> tuple[str, ...]:
    return ("governance", "propose", path, "--description", "Lower the fee", "--call", call)


@pytest.mark.parametrize(
    ("call", "hint"),
    [
        ("set_fee(1)", "Contract.function"),
        ("Ledger.set_fee(1)", "there is no contract"),
        ("CreditLedger.set_fees(1)", "does not exist"),
        ("CreditLedger.set_fee(1, 2)", "takes 1 arguments, not 2"),
        ("CreditLedger.set_fee(1.5)", "no whole number"),
        ("CreditLedger.set_fee(true)", "no whole number"),
        ("CreditLedger.set_fee(one)", "not JSON"),
        ("AssayToken.transfer(0x12, 1)", "0x and 40 hex digits"),
        ("EmissionController.set_split([[0, 1, 2]])", "not 2 values"),
    ],
)
def test_bad_call(bank: Bank, tmp_path: Path, call: str, hint: str) -> None:
    path = tmp_path / "bad.json"
    result = bank.run(None, *propose(str(path), call), "--json")
    assert result.exit_code == 2
    error = json.loads(result.stdout)["error"]
    assert error["code"] == "bad_proposal"
    assert hint in error["message"]
    assert not path.exists()


def test_propose_warns_of_a_call_that_would_be_refused(bank: Bank, tmp_path: Path) -> None:
    found = bank.ask(None, *propose(str(tmp_path / "x.json"), "CreditLedger.set_fee(2001)"))
    assert "fee too large" in found["warnings"][0]


def test_propose_below_the_minimum_delay(bank: Bank, tmp_path: Path) -> None:
    words = propose(str(tmp_path / "x.json"), "CreditLedger.set_fee(1)")
    result = bank.run(None, *words, "--delay", "10", "--json")
    assert "minimum of 1 h" in json.loads(result.stdout)["error"]["message"]


def test_propose_after_nothing(bank: Bank, tmp_path: Path) -> None:
    words = propose(str(tmp_path / "x.json"), "CreditLedger.set_fee(1)")
    result = bank.run(None, *words, "--after", "0x12", "--json")
    assert "64 hex digits" in json.loads(result.stdout)["error"]["message"]


def test_execute_before_its_predecessor(bank: Bank, proposal: str, tmp_path: Path) -> None:
    first = json.loads(Path(proposal).read_text())["operation"]
    second = str(tmp_path / "second.json")
    words = propose(second, "CreditLedger.set_fee(99)")
    bank.ask(None, *words, "--after", first)
    for path in (proposal, second):
        bank.send("proposer", "governance", "queue", path)
    bank.wait(bank.network.timelock.minimum_delay() + 10)
    message = bank.refused("stranger", "governance", "execute", second, code="not_ready")
    assert first in message
    for path in (proposal, second):
        bank.send("stranger", "governance", "execute", path)
    assert bank.network.ledger.fee_bps() == 99


def test_propose_over_a_file(bank: Bank, proposal: str) -> None:
    result = bank.run(None, *propose(proposal, "CreditLedger.set_fee(1)"), "--json")
    assert "exists" in json.loads(result.stdout)["error"]["message"]


def test_queue_by_a_stranger(bank: Bank, proposal: str) -> None:
    message = bank.refused("stranger", "governance", "queue", proposal, code="no_role")
    assert bank.address("proposer") in message


def test_queue_twice(bank: Bank, proposal: str) -> None:
    bank.send("proposer", "governance", "queue", proposal)
    bank.refused("proposer", "governance", "queue", proposal, code="not_ready")


def test_execute_what_is_not_queued(bank: Bank, proposal: str) -> None:
    message = bank.refused("stranger", "governance", "execute", proposal, code="wrong_state")
    assert "queue it first" in message


def test_execute_twice(bank: Bank, proposal: str) -> None:
    bank.send("proposer", "governance", "queue", proposal)
    bank.wait(bank.network.timelock.minimum_delay() + 10)
    bank.send("stranger", "governance", "execute", proposal)
    message = bank.refused("stranger", "governance", "execute", proposal, code="wrong_state")
    assert "another description" in message


@pytest.mark.parametrize(
    ("name", "value"),
    [("arguments", {"fee_bps": "200"}), ("data", "0x00"), ("address", "0x" + 40 * "1")],
)
def test_file_whose_parts_disagree(bank: Bank, proposal: str, name: str, value: object) -> None:
    """Whoever reads the arguments must sign the data that goes with them."""
    content = json.loads(Path(proposal).read_text())
    content["calls"][0][name] = value
    Path(proposal).write_text(json.dumps(content))
    message = bank.refused("proposer", "governance", "queue", proposal, code="bad_proposal")
    assert "do not sign" in message


def test_file_of_another_network(bank: Bank, proposal: str) -> None:
    content = json.loads(Path(proposal).read_text())
    Path(proposal).write_text(json.dumps({**content, "chain_id": 1}))
    bank.refused("proposer", "governance", "queue", proposal, code="bad_proposal")


# whatever the action


def test_no_ether(bank: Bank, outsider: str) -> None:
    words = ("airdrop", "--for", bank.address("stranger"))
    assert "send it ether" in bank.refused(outsider, *words, code="insufficient_funds")


def test_json_needs_a_decision(bank: Bank) -> None:
    result = bank.run("stranger", "airdrop", "--json")
    assert json.loads(result.stdout)["error"]["code"] == "not_confirmed"


@pytest.mark.parametrize("answer", ["n\n", ""])
def test_not_confirmed(bank: Bank, answer: str) -> None:
    result = bank.run("stranger", "airdrop", answer=answer)
    assert result.exit_code == 2
    assert "nothing was sent" in result.stderr
    assert not bank.network.airdrop.claimed(bank.address("stranger"))


def test_account_changed_between_preview_and_sending(bank: Bank) -> None:
    own = opened(bank, "holder")
    plan = staking.unstake(own, "max")
    bank.send("holder", "mint", "max")
    with pytest.raises(ContractReverted, match="more than the free stake"):
        carry_out(plan, own, SEND, Screen(False))


@dataclass(frozen=True)
class Refused(Call):
    """A call that passes the rehearsal and is refused when it is sent."""

    def send(self) -> Mined:
        raise ContractReverted(self.name, "the world has moved")


def test_second_transaction_fails(bank: Bank, capsys: pytest.CaptureFixture[str]) -> None:
    """What was mined before is told, and doing it again goes on from there."""
    own, screen = opened(bank, "holder"), Screen(False)
    plan = staking.stake(own, "5")
    approve, stake = plan.steps
    call = Refused(stake.call.client, stake.call.function, stake.call.arguments)
    with pytest.raises(ContractReverted):
        carry_out(replace(plan, steps=[approve, replace(stake, call=call)]), own, SEND, screen)
    assert "1 of 2 transactions were mined" in capsys.readouterr().err
    assert [sent["call"] for sent in screen.document["transactions"]] == ["AssayToken.approve"]
    assert len(staking.stake(opened(bank, "holder"), "5").steps) == 1


def test_node_that_does_not_answer(bank: Bank) -> None:
    environment = bank.environment("holder") | {"ASSAY_RPC_URL": "http://127.0.0.1:9"}
    result = CliRunner().invoke(commands, ["show", "--json"], env=environment)
    assert '"node_unavailable"' in result.output


def test_deployment_that_is_not_there(bank: Bank, tmp_path: Path) -> None:
    environment = bank.environment("holder") | {"ASSAY_DEPLOYMENT": str(tmp_path)}
    result = CliRunner().invoke(commands, ["show", "--json"], env=environment)
    assert "assay deploy" in result.output


def test_show_of_nobody(bank: Bank, outsider: str) -> None:
    result = bank.run(None, "show", "0x12", "--json")
    assert json.loads(result.stdout)["error"]["code"] == "bad_address"


def test_unfinished_day(bank: Bank) -> None:
    """A KARAT ticket takes a day at least: it cannot be withdrawn before."""
    bank.send("holder", "unstake-karat", "40")
    bank.wait(DAY - 60)
    bank.refused("holder", "withdraw-karat", code="not_ripe")
