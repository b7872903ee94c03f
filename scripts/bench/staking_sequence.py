"""One staker's life at ours and at the peers': same amounts, same hours, each call a transaction.

A whale has staked before, so that no slot of the pool is written for the first time, and moves
first on every day, so that what the first call of a UTC day costs ours is a row of its own.
Allowances are infinite everywhere, and rewards run everywhere but in the vault, which has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from web3.contract import Contract

from scripts.bench.npm_peers import Peer
from scripts.bench.rig import DAY, HOUR, Rig

ETHER = 10**18
WHALE = 10_000 * ETHER  # stakes as much every day
STAKE = 1_000 * ETHER
INFINITE = 2**256 - 1
REWARD = 7_000 * ETHER
COOLDOWN_DAYS = 7


@dataclass(frozen=True)
class System:
    """One contract to stake in.

    fund      gives an account tokens and an infinite allowance
    wake      is called by the whale, first on every day
    steps     (operation, gas of its transactions by the staker), in order; a step may wait
    """

    name: str
    fund: Callable[[str], None]
    wake: Callable[[str], None]
    steps: tuple[tuple[str, Callable[[str], int]], ...]


def measure(rig: Rig, system: System) -> dict[str, int]:
    """Gas by operation, one operation a day, two hours after midnight."""
    whale, staker = (rig.account(f"{system.name} {who}") for who in ("whale", "staker"))
    system.fund(whale)
    system.fund(staker)
    rig.to_next_day(HOUR)
    system.wake(whale)
    gas = {}
    for operation, step in system.steps:
        rig.to_next_day(HOUR)
        system.wake(whale)
        rig.warp(HOUR)
        gas[operation] = step(staker)
    return gas


def assay(rig: Rig, token: Contract, staking: Contract, treasury: str) -> System:
    """Ours. Leaving takes a ticket, and a cooldown before it is paid out."""

    def fund(account: str) -> None:
        rig.send(token, "transfer", account, 100 * WHALE, by=treasury)
        rig.send(token, "approve", staking.address, INFINITE, by=account)

    def call(function: str, *arguments: int) -> Callable[[str], int]:
        return lambda account: rig.send(staking, function, *arguments, by=account).gas

    def leave(account: str) -> int:
        left = staking.functions.free_of(account).call()
        return call("claim")(account) + call("request_unstake", left)(account)

    def collect(account: str) -> int:
        rig.to_next_day(COOLDOWN_DAYS * DAY + HOUR)
        return call("withdraw", 1)(account)

    return System(
        "assay",
        fund,
        lambda whale: void(call("stake", WHALE)(whale)),
        (
            ("first stake", call("stake", STAKE)),
            ("repeat stake", call("stake", STAKE)),
            ("repeat stake, same day", lambda who: twice(call("stake", STAKE), who)),
            ("partial unstake", call("request_unstake", STAKE)),
            ("claim", call("claim")),
            ("full exit", leave),
            ("collect a ticket", collect),
        ),
    )


def synthetix(rig: Rig, peer: Peer, token: Contract) -> System:
    """StakingRewards as it is deployed: rewards are the staking token, funded for a year."""
    pool = rig.create(
        peer.abi, peer.bytecode, rig.deployer, rig.deployer, token.address, token.address
    )
    rig.send(pool, "setRewardsDuration", 365 * DAY, by=rig.deployer)
    rig.send(token, "transfer", pool.address, REWARD, by=rig.deployer)
    rig.send(pool, "notifyRewardAmount", REWARD, by=rig.deployer)

    def call(function: str, *arguments: int) -> Callable[[str], int]:
        return lambda account: rig.send(pool, function, *arguments, by=account).gas

    return System(
        "synthetix",
        funder(rig, token, pool),
        lambda whale: void(call("stake", WHALE)(whale)),
        (
            ("first stake", call("stake", STAKE)),
            ("repeat stake", call("stake", STAKE)),
            ("repeat stake, same day", lambda who: twice(call("stake", STAKE), who)),
            ("partial unstake", call("withdraw", STAKE)),
            ("claim", call("getReward")),
            ("full exit", call("exit")),
        ),
    )


def vault(rig: Rig, peer: Peer, token: Contract) -> System:
    """OpenZeppelin's ERC4626: shares instead of rewards, so there is nothing to claim."""
    pool = rig.create(peer.abi, peer.bytecode, token.address)

    def deposit(account: str) -> int:
        return rig.send(pool, "deposit", STAKE, account, by=account).gas

    def leave(account: str) -> int:
        shares = pool.functions.balanceOf(account).call()
        return rig.send(pool, "redeem", shares, account, account, by=account).gas

    return System(
        "erc4626",
        funder(rig, token, pool),
        lambda whale: void(deposit(whale)),
        (
            ("first stake", deposit),
            ("repeat stake", deposit),
            ("repeat stake, same day", lambda who: twice(deposit, who)),
            (
                "partial unstake",
                lambda who: rig.send(pool, "withdraw", STAKE, who, who, by=who).gas,
            ),
            ("full exit", leave),
        ),
    )


def funder(rig: Rig, token: Contract, pool: Contract) -> Callable[[str], None]:
    def fund(account: str) -> None:
        rig.send(token, "transfer", account, 100 * WHALE, by=rig.deployer)
        rig.send(token, "approve", pool.address, INFINITE, by=account)

    return fund


def twice(step: Callable[[str], int], account: str) -> int:
    """The second of two on one day."""
    step(account)
    return step(account)


def void(_: int) -> None:
    """For steps whose gas nobody asks for."""
