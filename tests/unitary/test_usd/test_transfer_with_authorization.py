"""TestUSD.transferWithAuthorization: a transfer by signature, once (EIP-3009)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from assay.core.signing import HALF_ORDER
from tests.support.evm import event, now, reverts
from tests.unitary.test_usd.conftest import HELD, NONCE, Dollars, authorization, bring, signature


def test_default_behavior(dollars: Dollars) -> None:
    bring(dollars, authorization(dollars))
    used = event(dollars.token, "AuthorizationUsed")
    assert (used.authorizer, used.nonce) == (dollars.holder, NONCE)
    assert dollars.token.authorizationState(dollars.holder, NONCE)
    assert dollars.token.balanceOf(dollars.recipient) == 9
    assert dollars.token.balanceOf(dollars.holder) == HELD - 9
    bring(dollars, authorization(dollars, nonce=bytes(32)))


def test_revert_used(dollars: Dollars) -> None:
    bring(dollars, authorization(dollars))
    with reverts("test_usd: authorization is used"):
        bring(dollars, authorization(dollars))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda: {"valid_after": now()}, "not yet valid"),
        (lambda: {"valid_before": now()}, "expired"),
    ],
)
def test_revert_at_another_time(dollars: Dollars, change: Any, reason: str) -> None:
    with reverts(f"test_usd: authorization is {reason}"):
        bring(dollars, authorization(dollars, **change()))


@pytest.mark.parametrize(
    "change", [{"value": 10}, {"nonce": bytes(32)}, {"payer": "spender"}, {"to": "owner"}], ids=str
)
def test_revert_signed_for_something_else(dollars: Dollars, change: dict[str, Any]) -> None:
    roles = {key: getattr(dollars, v) if isinstance(v, str) else v for key, v in change.items()}
    given = authorization(dollars)
    with reverts("test_usd: invalid signature"):
        bring(dollars, replace(given, **roles), signature(dollars, given))


def test_revert_the_twin_of_a_signature(dollars: Dollars) -> None:
    given = authorization(dollars)
    signed = signature(dollars, given)
    twin = 2 * HALF_ORDER + 1 - int.from_bytes(signed[32:64], "big")
    other = signed[:32] + twin.to_bytes(32, "big") + bytes([55 - signed[64]])
    with reverts("test_usd: invalid signature"):
        bring(dollars, given, other)


def test_revert_too_much(dollars: Dollars) -> None:
    with reverts("erc20: transfer amount exceeds balance"):
        bring(dollars, authorization(dollars, value=HELD + 1))
