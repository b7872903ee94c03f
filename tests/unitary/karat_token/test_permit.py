"""KaratToken.permit: the same EIP-2612 as ASSAY's, under KARAT's own domain."""

from __future__ import annotations

from typing import Any

import boa
import pytest
from eth_account import Account

from tests.support.evm import now, reverts
from tests.support.permits import sign_permit
from tests.unitary.karat_token.conftest import Karat

OWNER = Account.from_key(b"\x11" * 32)


def permit(karat: Karat, seconds: int = 60, **changes: Any) -> tuple[Any, ...]:
    terms = (karat.stranger, 7, now() + seconds)
    return (OWNER.address, *terms, *sign_permit(karat.token, OWNER, *terms, **changes))


def test_default_behavior(karat: Karat) -> None:
    karat.give(OWNER.address, 10)
    karat.token.permit(*permit(karat))
    karat.token.transferFrom(OWNER.address, karat.stranger, 7, sender=karat.stranger)
    assert karat.token.balanceOf(karat.stranger) == 7
    assert karat.token.allowance(OWNER.address, karat.stranger) == 0


@pytest.mark.parametrize(
    "changes",
    [{"nonce": 1}, {"chainId": 2}, {"name": "Assay"}, {"version": "2"}],
    ids=lambda changes: next(iter(changes)),
)
def test_revert_other_domain_or_nonce(karat: Karat, changes: dict[str, Any]) -> None:
    with reverts("erc20: invalid signature"):
        karat.token.permit(*permit(karat, **changes))


def test_revert_replayed(karat: Karat) -> None:
    arguments = permit(karat)
    karat.token.permit(*arguments)
    with reverts("erc20: invalid signature"):
        karat.token.permit(*arguments)


def test_revert_expired(karat: Karat) -> None:
    arguments = permit(karat)
    boa.env.time_travel(seconds=61)
    with reverts("erc20: expired deadline"):
        karat.token.permit(*arguments)
