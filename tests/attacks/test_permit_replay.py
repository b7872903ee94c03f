"""Permits used again, on another chain, or too late.

Both tokens' permits are tested one by one in tests/unitary/{assay,karat}_token/test_permit.py;
here the line that refuses is taken out of snekmate's source, and the same attack succeeds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boa
import pytest
from eth_account import Account

from tests.attacks.arena import Defect, without
from tests.support.evm import deployer, now
from tests.support.permits import sign_permit

OWNER = Account.from_key(b"\x11" * 32)
ERC20, DOMAIN = "snekmate/tokens/erc20", "snekmate/utils/eip712_domain_separator"
TOKEN = "tokens/AssayToken"

NO_NONCE = Defect(
    TOKEN, "self.nonces[owner] = unsafe_add(current_nonce, 1)", "self.nonces[owner] = 0", ERC20
)
NO_CHAIN = Defect(TOKEN, " and chain.id == _CACHED_CHAIN_ID:", ":", DOMAIN)
NO_DEADLINE = Defect(
    TOKEN, '    assert block.timestamp <= deadline, "erc20: expired deadline"\n', "", ERC20
)


def permitted(token: Any, thief: str, arguments: tuple[Any, ...]) -> int:
    """What the thief may spend after handing in a permit."""
    try:
        token.permit(*arguments)
    except boa.BoaError:
        return 0
    return int(token.allowance(OWNER.address, thief))


def permit(token: Any, thief: str) -> tuple[Any, ...]:
    terms = (thief, 7, now() + 60)
    return (OWNER.address, *terms, *sign_permit(token, OWNER, *terms))


def again(token: Any, thief: str) -> int:
    """It has been used and spent."""
    arguments = permit(token, thief)
    assert permitted(token, thief, arguments) == 7
    token.transferFrom(OWNER.address, thief, 7, sender=thief)
    return permitted(token, thief, arguments)


def on_another_chain(token: Any, thief: str) -> int:
    """The chain splits after the permit was signed."""
    arguments = permit(token, thief)
    boa.env.evm.patch.chain_id += 1
    return permitted(token, thief, arguments)


def too_late(token: Any, thief: str) -> int:
    arguments = permit(token, thief)
    boa.env.time_travel(seconds=61)
    return permitted(token, thief, arguments)


ATTACKS: list[tuple[Callable[[Any, str], int], Defect]] = [
    (again, NO_NONCE),
    (on_another_chain, NO_CHAIN),
    (too_late, NO_DEADLINE),
]


@pytest.mark.parametrize(("attack", "defect"), ATTACKS)
@pytest.mark.parametrize("sound", [True, False])
def test_replay(attack: Callable[[Any, str], int], defect: Defect, sound: bool) -> None:
    code = deployer(TOKEN) if sound else without(defect)
    with boa.env.anchor():
        gain = attack(code(OWNER.address, 100), boa.env.generate_address("thief"))
    assert gain == (0 if sound else 7)
