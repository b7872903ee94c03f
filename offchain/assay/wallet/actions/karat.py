"""KARAT: quotes, minting against locked stake, burning, and staking it to spend."""

from __future__ import annotations

from collections.abc import Sequence

from assay.core.errors import InputError
from assay.wallet.account import Ticket, Wallet, change, chosen, named, ripe
from assay.wallet.actions.channels import known_channels, listed
from assay.wallet.actions.staking import GET_FREE_STAKE, free_stake, locked_stake
from assay.wallet.amounts import (
    ASSAY,
    ASSAY_PER_KARAT,
    BPS,
    KARAT,
    PERCENT,
    USDC,
    Amount,
    is_everything,
    parse_amount,
    parse_percent,
    span,
)
from assay.wallet.plan import Change, Fact, Plan, Report, Step

ONE_KARAT = 10**KARAT.decimals
MICRO_TO_KARAT = 10 ** (KARAT.decimals - USDC.decimals)
"""KARAT wei that promise one micro-USD a day."""

GET_KARAT = "mint some (`mint`), buy some, or unstake and withdraw some"


def quote(wallet: Wallet, lock: str | None = None, karat: str | None = None) -> Report:
    """What minting would give or cost now: for ASSAY to lock, or for KARAT wanted."""
    locked, minted = _wanted(wallet, lock, karat)
    return Report(
        title=f"Locking {Amount(locked, ASSAY)} mints {Amount(minted, KARAT)} now",
        facts={"lock": Amount(locked, ASSAY), "mint": Amount(minted, KARAT)}
        | _rates(wallet, locked, minted),
    )


def mint(
    wallet: Wallet, lock: str | None = None, karat: str | None = None, slippage: str = "0.5"
) -> Plan:
    """Lock free stake and mint KARAT; refused on chain below the quote less the slippage."""
    tolerance = parse_percent(slippage, "slippage")
    locked, minted = _wanted(wallet, lock, karat)
    free = wallet.network.staking.free_of(wallet.account)
    chosen(Amount(locked, ASSAY).exact, ASSAY, free, "free stake", GET_FREE_STAKE)
    minimum = minted * (BPS - tolerance) // BPS
    return Plan(
        title=f"Lock {Amount(locked, ASSAY)} and mint {Amount(minted, KARAT)}",
        steps=[wallet.step("lock and mint", wallet.network.minter, "mint", locked, minimum)],
        changes=[
            free_stake(wallet, -locked),
            locked_stake(wallet, locked),
            karat_in_wallet(wallet, minted),
        ],
        facts={
            "least KARAT accepted": Amount(minimum, KARAT),
            "slippage": Amount(tolerance, PERCENT),
        }
        | _rates(wallet, locked, minted),
        warnings=[
            "locked stake earns 80 % of what free stake earns",
            "only burning KARAT from this account (`burn`) unlocks it again",
        ],
        tip="others minted first: look at the new price (`quote`) or allow more --slippage",
    )


def burn(wallet: Wallet, amount: str) -> Plan:
    """Burn KARAT that this account minted, and unlock its part of the locked stake."""
    minter, karat = wallet.network.minter, wallet.network.karat
    position, held = minter.position(wallet.account), karat.balance_of(wallet.account)
    if position.minted == 0:
        raise InputError(
            "this account has minted no KARAT that is still out, so burning unlocks nothing; "
            "KARAT that was bought can be staked or sold",
            code="nothing_to_do",
        )
    where, remedy = _burnable(wallet, held, position.minted)
    units = chosen(amount, KARAT, min(held, position.minted), where, remedy)
    unlocked = minter.quote_burn(wallet.account, units)
    return Plan(
        title=f"Burn {Amount(units, KARAT)} and unlock {Amount(unlocked, ASSAY)}",
        steps=[wallet.step("burn and unlock", minter, "burn", units)],
        changes=[
            karat_in_wallet(wallet, -units),
            locked_stake(wallet, -unlocked),
            free_stake(wallet, unlocked),
        ],
        facts={
            "unlocked per KARAT": Amount(unlocked * ONE_KARAT // units, ASSAY_PER_KARAT),
            "still out afterwards": Amount(position.minted - units, KARAT),
        },
        warnings=["the ASSAY becomes free stake; it leaves through a ticket (`unstake`)"],
    )


def stake(wallet: Wallet, amount: str) -> Plan:
    """Stake KARAT: each one is a dollar of inference a UTC day from now on."""
    karat = wallet.network.karat
    held = karat.balance_of(wallet.account)
    units = chosen(amount, KARAT, held, "KARAT in the wallet", GET_KARAT)
    return Plan(
        title=f"Stake {Amount(units, KARAT)}",
        steps=[wallet.step("stake", karat, "stake", units)],
        changes=[karat_in_wallet(wallet, -units), staked(wallet, units)],
        facts=_allowance(wallet, units)
        | {"cooldown to get it out": span(karat.cooldown_seconds())},
        warnings=["it spends through a channel: allocate it to a gateway (`allocate`)"],
    )


def unstake(wallet: Wallet, amount: str) -> Plan:
    """Turn staked KARAT that no channel claims into a cooldown ticket."""
    karat = wallet.network.karat
    promised = wallet.network.ledger.committed_of(wallet.account)[0] * MICRO_TO_KARAT
    free = max(karat.staked_of(wallet.account) - promised, 0)
    where, remedy = "staked KARAT that no channel claims", GET_KARAT
    if promised:
        where = f"staked KARAT beside {Amount(promised, KARAT)} that channels claim"
        claims = listed(wallet, known_channels(wallet))
        remedy = f"allocate less today and unstake after 00:00 UTC; {claims}"
    units = chosen(amount, KARAT, free, where, remedy)
    return Plan(
        title=f"Unstake {Amount(units, KARAT)}",
        steps=[wallet.step("take a ticket", karat, "request_unstake", units)],
        changes=[staked(wallet, -units), karat_in_tickets(wallet, units)],
        facts={
            **_allowance(wallet, -units),
            "ticket": karat.ticket_count(wallet.account),
            "ripe": wallet.moment(wallet.now + karat.cooldown_seconds()),
        },
    )


def cancel(wallet: Wallet, ticket_id: int) -> Plan:
    """Stake a ticket's KARAT again, ripe or not."""
    karat = wallet.network.karat
    ticket = named(wallet.tickets(karat), ticket_id, KARAT, wallet.now)
    return Plan(
        title=f"Cancel ticket {ticket.id} and stake its {Amount(ticket.amount, KARAT)} again",
        steps=[wallet.step("cancel the ticket", karat, "cancel_ticket", ticket.id)],
        changes=[karat_in_tickets(wallet, -ticket.amount), staked(wallet, ticket.amount)],
        facts=_allowance(wallet, ticket.amount),
    )


def withdraw(wallet: Wallet, ids: Sequence[int] = ()) -> Plan:
    """Collect ripe tickets of KARAT: those named, or all."""
    tickets = ripe(wallet.tickets(wallet.network.karat), ids, KARAT, wallet.now)
    total = sum(ticket.amount for ticket in tickets)
    return Plan(
        title=f"Withdraw {Amount(total, KARAT)}",
        steps=[_collect(wallet, ticket) for ticket in tickets],
        changes=[karat_in_tickets(wallet, -total), karat_in_wallet(wallet, total)],
        facts={"tickets": ", ".join(str(ticket.id) for ticket in tickets)},
    )


def karat_in_wallet(wallet: Wallet, difference: int) -> Change:
    karat = wallet.network.karat
    return change(
        "KARAT in the wallet", KARAT, lambda: karat.balance_of(wallet.account), difference
    )


def staked(wallet: Wallet, difference: int) -> Change:
    karat = wallet.network.karat
    return change("staked KARAT", KARAT, lambda: karat.staked_of(wallet.account), difference)


def karat_in_tickets(wallet: Wallet, difference: int) -> Change:
    def read() -> int:
        return sum(ticket.amount for ticket in wallet.tickets(wallet.network.karat))

    return change("KARAT in tickets", KARAT, read, difference)


def _wanted(wallet: Wallet, lock: str | None, karat: str | None) -> tuple[int, int]:
    """ASSAY to lock and KARAT that it mints, from whichever of the two was given."""
    minter = wallet.network.minter
    if (lock is None) == (karat is None):
        raise InputError(
            "say either how much ASSAY to lock (12.5, max) or how much KARAT to mint (--karat 2)",
            code="bad_amount",
        )
    if karat is not None:
        locked = minter.quote_lock(parse_amount(karat, KARAT))
    elif is_everything(str(lock)):
        free = wallet.network.staking.free_of(wallet.account)
        locked = chosen(str(lock), ASSAY, free, "free stake", GET_FREE_STAKE)
    else:
        locked = parse_amount(str(lock), ASSAY)
    return locked, minter.quote_mint(locked)


def _rates(wallet: Wallet, locked: int, minted: int) -> dict[str, Fact]:
    minter, supply = wallet.network.minter, wallet.network.karat.total_supply()
    average = -(-locked * ONE_KARAT // minted) if minted else 0
    return {
        "average price": Amount(average, ASSAY_PER_KARAT),
        "curve now": Amount(minter.rate_at(supply), ASSAY_PER_KARAT),
        "curve afterwards": Amount(minter.rate_at(supply + minted), ASSAY_PER_KARAT),
        "KARAT supply": Amount(supply, KARAT),
    }


def _allowance(wallet: Wallet, difference: int) -> dict[str, Fact]:
    staked_now = wallet.network.karat.staked_of(wallet.account)
    after = (staked_now + difference) // MICRO_TO_KARAT
    return {"allowance of KARAT a UTC day, afterwards": Amount(after, USDC)}


def _burnable(wallet: Wallet, held: int, minted: int) -> tuple[str, str]:
    """What limits a burn, and what to do about it."""
    if held >= minted:
        return "KARAT that this account minted", "no more of it unlocks anything"
    in_stake = wallet.network.karat.staked_of(wallet.account)
    remedy = "buy what is missing"
    if in_stake:
        remedy = f"unstake (`unstake-karat`) of the {Amount(in_stake, KARAT)} staked first"
    return "unstaked KARAT in the wallet", remedy


def _collect(wallet: Wallet, ticket: Ticket) -> Step:
    purpose = f"withdraw ticket {ticket.id}"
    return wallet.step(purpose, wallet.network.karat, "withdraw", ticket.id)
