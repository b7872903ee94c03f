"""What contracts and reference model must agree on: every figure that both can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.economy import GENESIS, Economy
from tests.support.reference.world import World


def compare(economy: Economy, world: World, names: Sequence[str]) -> None:
    """All figures of these accounts and of the treasury, and the invariants of both."""
    for account in [*names, economy.treasury]:
        compare_account(economy, world, account)
    for owner in names:
        for payee in names:
            compare_channel(economy, world, owner, payee)
    compare_totals(economy, world)
    compare_days(economy, world)
    world.check()
    check_contracts(economy, world)


def compare_account(economy: Economy, world: World, account: str) -> None:
    today = world.clock.today
    staking, ledger = world.staking, world.ledger
    position = economy.minter.position(account)
    mine = world.minter.positions.get(account)
    both = {
        "ASSAY": (economy.token.balanceOf(account), world.token.balance_of(account)),
        "dollars": (economy.usdc.balanceOf(account), world.usdc.balance_of(account)),
        "KARAT": (economy.karat.balanceOf(account), world.karat.token.balance_of(account)),
        "KARAT staked": (economy.karat.staked_of(account), world.karat.staked_of(account)),
        "free": (economy.staking.free_of(account), staking.free_of(account)),
        "locked": (economy.staking.locked_of(account), staking.locked_of(account)),
        "claimable": (economy.staking.claimable(account), staking.claimable(account)),
        "minted": (position[0], mine.minted if mine else 0),
        "position": (position[1], mine.locked if mine else 0),
        "balance": (economy.ledger.balance_of(account), ledger.balances.get(account, 0)),
        "available": (economy.ledger.available(account), ledger.available(account)),
        "earnings": (economy.ledger.earnings_of(account), ledger.earnings.get(account, 0)),
        "committed": (economy.ledger.committed_of(account), ledger.committed_of(account)),
        "allowance": (
            economy.ledger.allowance_of(account),
            (ledger.karat_allowance(account), ledger.capacity_allowance(account, today)),
        ),
    }
    for day in (today - 1, today):
        both[f"opening {day}"] = (
            economy.staking.opening_stake(account, day),
            staking.opening_stake(account, day),
        )
        both[f"credit {day}"] = (
            economy.ledger.credit_of(account, day),
            ledger.credit_of(account, day),
        )
        both[f"work {day}"] = (
            economy.emissions.work_of(account, day),
            world.emissions.work_of(account, day),
        )
        both[f"work reward {day}"] = (
            economy.emissions.work_reward(account, day),
            world.emissions.work_reward(account, day),
        )
    agree(both, account)


def compare_channel(economy: Economy, world: World, owner: str, payee: str) -> None:
    ledger, today = world.ledger, world.clock.today
    channel = ledger.channels.get((owner, payee))
    if channel is None:
        assert economy.ledger.channel(owner, payee)[4] == 0
        return
    key = "0x" + channel.keys.on(today + 1).to_bytes(20, "big").hex()
    found = economy.ledger.channel(owner, payee)
    expected = (channel.karat.on(today + 1), channel.bps.on(today + 1), channel.deposit)
    both: dict[str, tuple[Any, Any]] = {
        "channel": (tuple(found[:3]), expected),
        "session key": (str(found[3]).lower(), key),
        "expiry": (found[4], channel.expires_at),
    }
    for day in (today - 1, today):
        collected = channel.collected[day]
        both[f"state {day}"] = (
            tuple(economy.ledger.channel_state(owner, payee, day)),
            (
                day,
                collected.credit,
                collected.usdc,
                ledger.limit(owner, payee, day),
                channel.deposit,
                channel.expires_at,
            ),
        )
    agree(both, f"{owner} to {payee}")


def compare_totals(economy: Economy, world: World) -> None:
    agree(
        {
            "supply": (economy.token.totalSupply(), world.token.supply),
            "KARAT supply": (economy.karat.totalSupply(), world.karat.token.supply),
            "total stake": (economy.staking.total_stake(), world.staking.total),
            "tickets": (economy.staking.total_tickets(), world.staking.tickets.total()),
            "KARAT tickets": (economy.karat.total_tickets(), world.karat.tickets.total()),
            "total KARAT staked": (economy.karat.total_staked(), world.karat.total_staked),
            "numerator": (
                economy.emissions.staker_numerator(),
                world.emissions.staker_numerator(),
            ),
            "emitted": (economy.emissions.emitted(), world.emissions.emitted()),
            "to stakers": (
                economy.emissions.minted_to_stakers(),
                world.emissions.minted_to_stakers,
            ),
            "to providers": (
                economy.emissions.minted_to_providers(),
                world.emissions.minted_to_providers,
            ),
            "fees": (economy.ledger.fees(), world.ledger.fees),
            "price": (economy.auction.price(), world.auction.price),
            "last price": (economy.auction.last_price(), world.auction.last_price),
            "next start": (economy.auction.next_start(), world.auction.next_start),
        },
        "totals",
    )


def compare_days(economy: Economy, world: World) -> None:
    emissions, model, today = economy.emissions, world.emissions, world.clock.today
    both: dict[str, tuple[Any, Any]] = {}
    for day in (today - 1, today):
        both[f"work {day}"] = (emissions.work(day), model.work(day))
        both[f"capacity {day}"] = (emissions.daily_capacity(day), model.daily_capacity(day))
        if day == today or model.work(day):
            both[f"used {day}"] = (emissions.used_bps(day), model.used_bps(day))
            both[f"share {day}"] = (emissions.stakers_bps(day), model.stakers_bps(day))
            both[f"pool {day}"] = (emissions.pool(day), model.pool(day))
    agree(both, "days")


def check_contracts(economy: Economy, world: World) -> None:
    """Invariants on the contracts' own figures."""
    held = economy.token.balanceOf(economy.staking.address)
    assert held == economy.staking.total_stake() + economy.staking.total_tickets()
    karat = economy.karat
    assert karat.balanceOf(karat.address) == karat.total_staked() + karat.total_tickets()
    assert economy.usdc.balanceOf(economy.ledger.address) == world.ledger.owed()
    minted = economy.emissions.minted_to_stakers() + economy.emissions.minted_to_providers()
    supply = economy.token.totalSupply()
    assert supply == GENESIS + minted - world.token.burned


def agree(both: dict[str, tuple[Any, Any]], of: str) -> None:
    """Contract and model give the same; structs compare as tuples."""
    for name, (found, expected) in both.items():
        found = tuple(found) if isinstance(found, (list, tuple)) else found
        assert found == expected, f"{name} of {of}: contract {found}, model {expected}"
