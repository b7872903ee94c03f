"""The quick EVM against titanoboa's own: same results, gas, refunds and logs, call by call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from random import Random
from typing import Any
from unittest.mock import patch

import boa
import pytest
from eth.exceptions import Revert

from tests.stateful.moves import ALONE, TREASURY
from tests.stateful.scenes import Scene, lived_in
from tests.support.evm import DAY
from tests.support.quick_evm import View, quick_evm

MOVES = 250
SPANS = (1, 3_000, DAY, 9 * DAY)


def transcript(scene: Scene, quick: bool) -> list[tuple[Any, ...]]:
    """What each call of a fixed play gave."""
    calls: list[tuple[Any, ...]] = []
    execute = boa.env.evm.execute_code

    def recorded(*arguments: Any, **named: Any) -> Any:
        result = execute(*arguments, **named)
        gas = result.get_gas_used(), result.get_gas_refund()
        calls.append((result.is_error, result.output, gas, result.get_log_entries()))
        return result

    random = Random(1)
    with (
        boa.env.anchor(),
        patch.object(boa.env.evm, "execute_code", recorded),
        quick_evm() if quick else nullcontext(),
    ):
        moves = scene.begin()
        for _ in range(MOVES):
            who, other, part = random.randrange(3), random.randrange(3), random.randrange(4)
            random.choice([*ALONE, *TREASURY])(moves, who, other, part)
            if random.random() < 0.2:
                moves.beside.travel(random.choice(SPANS))
    return calls


def test_same_as_titanoboa() -> None:
    with boa.env.anchor():
        scene = lived_in()
        plain, quick = transcript(scene, False), transcript(scene, True)
    assert len(plain) == len(quick) >= MOVES
    assert any(error for error, *_ in plain) and not all(error for error, *_ in plain)
    for index, (expected, found) in enumerate(zip(plain, quick, strict=True)):
        assert found == expected, index


KEPT = """
# pragma version 0.4.3
kept: public(uint256)

@deploy
def __init__(amount: uint256):
    self.kept = amount

@external
def keep(amount: uint256):
    self.kept = amount
"""

CONTRACT = """
# pragma version 0.4.3
value: public(uint256)
seen: transient(uint256)

@external
def see() -> uint256:
    self.seen += 1
    return self.seen

@external
def spin(count: uint256):
    for _: uint256 in range(count, bound=10**9):
        self.value += 1

@external
@view
def deep(n: uint256) -> uint256:
    if n == 0:
        return 0
    return 1 + staticcall Self(self).deep(n - 1)

@external
@pure
def words(a: int256, b: int256, c: uint256) -> (int256, int256, uint256, bytes32, bool):
    return a // b, a % b, c << 200, sha256(convert(c, bytes32)), a < b

interface Self:
    def deep(n: uint256) -> uint256: view
"""


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("spin", (3,)),
        ("spin", (10**6,)),  # out of gas
        ("deep", (40,)),
        ("words", (-7, 2, 2**250 + 1)),
        ("words", (7, -2, 3)),
        ("words", (7, 0, 3)),  # division by zero
    ],
)
def test_odd_calls(name: str, arguments: tuple[int, ...]) -> None:
    with boa.env.anchor():
        contract = boa.loads(CONTRACT)
        call = getattr(contract, name).prepare_calldata(*arguments)
        results = []
        for run in (nullcontext, quick_evm):
            with boa.env.anchor(), run():
                found = boa.env.execute_code(to_address=contract.address, data=call, gas=10**6)
                results.append((found.is_error, found.output, found.get_gas_used()))
        assert results[0] == results[1]


@pytest.mark.parametrize("run", [nullcontext, quick_evm])
def test_transient_storage_ends_with_a_call(run: Callable[[], Any]) -> None:
    with boa.env.anchor(), run():
        contract = boa.loads(CONTRACT)
        assert contract.see() == 1
        with boa.env.anchor():
            assert contract.see() == 1
        assert contract.see() == 1


def test_what_an_anchor_put_back_is_visited_no_more() -> None:
    """Neither by the next calls nor by the next anchor; what was written before it stays."""
    with boa.env.anchor():
        contract = boa.loads(KEPT, 7)
        accounts = boa.env.evm.vm.state._account_db
        before = set(accounts._dirty_accounts)
        for _ in range(2):
            with boa.env.anchor():
                contract.keep(8)
                assert boa.loads(KEPT, 9).kept() == 9
                assert contract.kept() == 8 and accounts._dirty_accounts > before
            assert contract.kept() == 7 and accounts._dirty_accounts == before
        contract.keep(10)
        assert contract.kept() == 10


def test_views() -> None:
    with boa.env.anchor(), quick_evm():
        contract = boa.loads(CONTRACT)
        assert View(contract.deep, 3).words() == (3,)
        with pytest.raises(Revert):
            View(contract.words, 1, 0, 1).words()
