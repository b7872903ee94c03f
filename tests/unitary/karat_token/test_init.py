"""KaratToken: constructor, what is not exported, and the one-shot links."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_utils import function_signature_to_4byte_selector

from tests.support.economy import KARAT_COOLDOWN
from tests.support.evm import DAY, deployer, event, reverts
from tests.support.market import NO_CODE
from tests.unitary.karat_token.conftest import Karat

ZERO = "0x" + "00" * 20


def fresh(karat: Karat, cooldown: int = KARAT_COOLDOWN) -> Any:
    with boa.env.prank(karat.deployer):
        return deployer("tokens/KaratToken")(cooldown)


@pytest.mark.parametrize("cooldown", [DAY, 30 * DAY])
def test_default_behavior(karat: Karat, cooldown: int) -> None:
    token = fresh(karat, cooldown)
    assert (token.name(), token.symbol(), token.decimals()) == ("Karat", "KARAT", 18)
    assert token.eip712Domain()[1:3] == ("Karat", "1")
    assert token.totalSupply() == token.total_staked() == token.total_tickets() == 0
    assert token.cooldown_seconds() == cooldown
    assert token.minter() == token.ledger() == ZERO
    assert token.eval("ownable.owner") == ZERO
    assert token.eval(f"erc20.is_minter[{karat.deployer}]") is False


@pytest.mark.parametrize(
    ("cooldown", "reason"),
    [
        (0, "karat: cooldown too short"),
        (DAY - 1, "karat: cooldown too short"),
        (30 * DAY + 1, "tickets: delay too long"),
    ],
)
def test_revert_cooldown_out_of_bounds(karat: Karat, cooldown: int, reason: str) -> None:
    with reverts(reason):
        fresh(karat, cooldown)


@pytest.mark.parametrize(
    "signature",
    [
        "burn(uint256)",
        "burn_from(address,uint256)",
        "owner()",
        "is_minter(address)",
        "set_minter(address,bool)",
        "transfer_ownership(address)",
        "renounce_ownership()",
    ],
)
def test_revert_withheld(karat: Karat, signature: str) -> None:
    karat.give(karat.deployer, 1)
    call = function_signature_to_4byte_selector(signature) + bytes(96)
    assert boa.env.execute_code(karat.token.address, karat.deployer, data=call).is_error


def test_set_links(karat: Karat) -> None:
    token = fresh(karat)
    token.set_links(karat.minter, karat.ledger, sender=karat.deployer)
    links = event(token, "LinksSet")
    assert (links.minter, links.ledger) == (karat.minter, karat.ledger.address)
    assert (token.minter(), token.ledger()) == (karat.minter, karat.ledger.address)


def test_revert_set_links_twice(karat: Karat) -> None:
    with reverts("one_shot: already set"):
        karat.token.set_links(karat.token, karat.token, sender=karat.deployer)
    assert karat.token.minter() == karat.minter


def test_revert_set_links_by_a_stranger(karat: Karat) -> None:
    with reverts("one_shot: caller is not the deployer"):
        fresh(karat).set_links(karat.minter, karat.ledger, sender=karat.stranger)


def test_revert_links_are_not_contracts(karat: Karat) -> None:
    token = fresh(karat)
    with reverts("one_shot: not a contract"):
        token.set_links(NO_CODE, karat.ledger, sender=karat.deployer)
    with reverts("karat: ledger is not a contract"):
        token.set_links(karat.minter, NO_CODE, sender=karat.deployer)
    assert token.minter() == token.ledger() == ZERO
