"""Stake of ASSAY: in, out through tickets, and its rewards."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.errors import InputError
from assay.wallet.account import Ticket, Wallet, change, chosen, named, ripe
from assay.wallet.amounts import ASSAY, BPS, PERCENT, SECONDS_PER_DAY, Amount, span
from assay.wallet.plan import Change, Fact, Plan, Step

GET_ASSAY = "claim an airdrop (`airdrop`), buy ASSAY, or unstake and withdraw some"
GET_FREE_STAKE = "stake more (`stake`), or burn KARAT (`burn`) to unlock what is locked for it"


def stake(wallet: Wallet, amount: str, beneficiary: str | None = None) -> Plan:
    """Stake ASSAY, for this account or in another's name."""
    network, staking = wallet.network, wallet.network.staking
    held = network.assay.balance_of(wallet.account)
    units = chosen(amount, ASSAY, held, "ASSAY in the wallet", GET_ASSAY)
    owner = wallet.address(beneficiary, "account to stake for")
    if owner == wallet.account:
        step = wallet.step("stake", staking, "stake", units)
    else:
        step = wallet.step(f"stake for {owner}", staking, "stake_for", owner, units)
    warnings = [] if owner == wallet.account else [f"the stake will belong to {owner}, not to you"]
    return Plan(
        title=f"Stake {Amount(units, ASSAY)}",
        steps=[*wallet.approval(network.assay, ASSAY, staking, units), step],
        changes=[in_wallet(wallet, -units), free_stake(wallet, units, owner)],
        facts={
            **_share(wallet, units, owner),
            "capacity share counts from": wallet.moment((wallet.day + 1) * SECONDS_PER_DAY),
            "cooldown to get it out": span(staking.cooldown_seconds()),
        },
        warnings=warnings,
    )


def unstake(wallet: Wallet, amount: str) -> Plan:
    """Turn free stake into a cooldown ticket."""
    staking = wallet.network.staking
    free, locked = staking.free_of(wallet.account), staking.locked_of(wallet.account)
    where = f"free stake (and {Amount(locked, ASSAY)} locked for KARAT)"
    units = chosen(amount, ASSAY, free, where, GET_FREE_STAKE)
    return Plan(
        title=f"Unstake {Amount(units, ASSAY)}",
        steps=[wallet.step("take a ticket", staking, "request_unstake", units)],
        changes=[free_stake(wallet, -units), in_tickets(wallet, units)],
        facts={
            "ticket": staking.ticket_count(wallet.account),
            "ripe": wallet.moment(wallet.now + staking.cooldown_seconds()),
            **_share(wallet, -units, wallet.account),
        },
        warnings=["a ticket earns nothing; until it is withdrawn it can be cancelled (`cancel`)"],
    )


def cancel(wallet: Wallet, ticket_id: int) -> Plan:
    """Stake a ticket's amount again, ripe or not."""
    staking = wallet.network.staking
    ticket = named(wallet.tickets(staking), ticket_id, ASSAY, wallet.now)
    return Plan(
        title=f"Cancel ticket {ticket.id} and stake its {Amount(ticket.amount, ASSAY)} again",
        steps=[wallet.step("cancel the ticket", staking, "cancel_ticket", ticket.id)],
        changes=[in_tickets(wallet, -ticket.amount), free_stake(wallet, ticket.amount)],
        facts={"would have been ripe": wallet.moment(ticket.ready_at)},
    )


def withdraw(wallet: Wallet, ids: Sequence[int] = ()) -> Plan:
    """Collect ripe tickets: those named, or all."""
    staking = wallet.network.staking
    tickets = ripe(wallet.tickets(staking), ids, ASSAY, wallet.now)
    total = sum(ticket.amount for ticket in tickets)
    return Plan(
        title=f"Withdraw {Amount(total, ASSAY)}",
        steps=[_collect(wallet, ticket) for ticket in tickets],
        changes=[in_tickets(wallet, -total), in_wallet(wallet, total)],
        facts={"tickets": ", ".join(str(ticket.id) for ticket in tickets)},
    )


def claim(wallet: Wallet) -> Plan:
    """Mint the rewards to the wallet."""
    reward = _reward(wallet)
    return Plan(
        title=f"Claim {Amount(reward, ASSAY)} of rewards",
        steps=[wallet.step("claim", wallet.network.staking, "claim")],
        changes=[_waiting(wallet, reward), in_wallet(wallet, reward, about=True)],
        facts=_earning(wallet),
    )


def compound(wallet: Wallet) -> Plan:
    """Mint the rewards and stake them."""
    reward = _reward(wallet)
    return Plan(
        title=f"Stake {Amount(reward, ASSAY)} of rewards",
        steps=[wallet.step("compound", wallet.network.staking, "compound")],
        changes=[_waiting(wallet, reward), free_stake(wallet, reward, about=True)],
        facts=_earning(wallet),
        warnings=["what is compounded leaves only through a ticket (`unstake`)"],
    )


def in_wallet(wallet: Wallet, difference: int, about: bool = False) -> Change:
    assay = wallet.network.assay
    return change(
        "ASSAY in the wallet", ASSAY, lambda: assay.balance_of(wallet.account), difference, about
    )


def free_stake(
    wallet: Wallet, difference: int, owner: str | None = None, about: bool = False
) -> Change:
    account, staking = owner or wallet.account, wallet.network.staking
    what = "free stake" if account == wallet.account else f"free stake of {account}"
    return change(what, ASSAY, lambda: staking.free_of(account), difference, about)


def locked_stake(wallet: Wallet, difference: int) -> Change:
    staking = wallet.network.staking
    return change("locked stake", ASSAY, lambda: staking.locked_of(wallet.account), difference)


def in_tickets(wallet: Wallet, difference: int) -> Change:
    def read() -> int:
        return sum(ticket.amount for ticket in wallet.tickets(wallet.network.staking))

    return change("ASSAY in tickets", ASSAY, read, difference)


def _collect(wallet: Wallet, ticket: Ticket) -> Step:
    purpose = f"withdraw ticket {ticket.id}"
    return wallet.step(purpose, wallet.network.staking, "withdraw", ticket.id)


def _reward(wallet: Wallet) -> int:
    staking = wallet.network.staking
    reward = staking.claimable(wallet.account)
    if reward == 0:
        staked = staking.stake_of(wallet.account)
        why = (
            "rewards grow by the second while the schedule runs: wait"
            if staked
            else "nothing is staked: start with `stake`"
        )
        raise InputError(f"there is no reward to claim; {why}", code="nothing_to_do")
    return reward


def _waiting(wallet: Wallet, reward: int) -> Change:
    staking = wallet.network.staking
    what = "rewards waiting"
    return Change(what, ASSAY, reward, 0, lambda: staking.claimable(wallet.account), about=True)


def _earning(wallet: Wallet) -> dict[str, Fact]:
    """What the rewards come from."""
    staking = wallet.network.staking
    return {
        "free stake, earning in full": Amount(staking.free_of(wallet.account), ASSAY),
        "locked stake, earning 80 %": Amount(staking.locked_of(wallet.account), ASSAY),
        "stakers' part of today's emission": _percent(
            wallet.network.emissions.stakers_bps(wallet.day)
        ),
    }


def _share(wallet: Wallet, difference: int, owner: str) -> dict[str, Fact]:
    """The account's part of all stake, before and after."""
    staking = wallet.network.staking
    own, total = staking.stake_of(owner), staking.total_stake()
    return {
        "share of all stake": _percent(_bps(own, total)),
        "share afterwards": _percent(_bps(own + difference, total + difference)),
    }


def _bps(part: int, whole: int) -> int:
    return part * BPS // whole if whole else 0


def _percent(bps: int) -> Amount:
    return Amount(bps, PERCENT)
