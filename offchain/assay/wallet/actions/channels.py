"""Channels: what an account lets a gateway or a provider spend of its allowance and dollars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from assay.chain.history import history
from assay.chain.ledger import Channel
from assay.core.errors import ChainError, InputError
from assay.wallet.account import NOBODY, Wallet, change, chosen
from assay.wallet.actions.dollars import GET_USDC, in_ledger, usdc_of
from assay.wallet.amounts import (
    BPS,
    PERCENT,
    SECONDS_PER_DAY,
    USDC,
    Amount,
    parse_amount,
    parse_moment,
    parse_percent,
)
from assay.wallet.plan import Change, Fact, Plan

DEFAULT_LIFE = "30d"
NONE = "none"
ZERO = ("0", "none")
NOTICE_MARGIN_SECONDS = 600
"""An expiry that is set nearer needs a day's notice, counted from the block that takes it."""


@dataclass(frozen=True)
class Wish:
    """What was asked of a channel, as written; None keeps what is set."""

    karat: str | None = None
    capacity: str | None = None
    deposit: str | None = None
    session_key: str | None = None
    expires: str | None = None


def allocate(wallet: Wallet, payee: str, wish: Wish) -> Plan:
    """Open a channel to a payee, or change it: what falls, falls from the next UTC day on."""
    ledger = wallet.network.ledger
    other = wallet.address(payee, "payee")
    old = ledger.channel(wallet.account, other)
    new = _wanted(wallet, old, wish)
    channels = known_channels(wallet)
    _check_room(wallet, other, new, channels)
    added = new.deposit - old.deposit
    arguments = (other, new.karat_micro, new.capacity_bps, new.session_key, new.expires_at, added)
    verb = "Change the" if old.expires_at else "Open a"
    approval = wallet.approval(wallet.network.usdc, USDC, ledger, added) if added else []
    return Plan(
        title=f"{verb} channel to {other}",
        steps=[*approval, wallet.step("set the channel", ledger, "set_channel", *arguments)],
        changes=_changes(wallet, other, old, new),
        facts=_terms(wallet, old, new),
        warnings=_warnings(old, new),
        tip=f"what was lowered today counts until 00:00 UTC; {listed(wallet, channels)}",
    )


def close(wallet: Wallet, payee: str, owner: str | None = None) -> Plan:
    """End a channel that has expired; its dollars go back to its owner's balance."""
    ledger = wallet.network.ledger
    holder, other = wallet.address(owner, "owner"), wallet.address(payee, "payee")
    channel = ledger.channel(holder, other)
    if channel.expires_at == 0:
        raise InputError(f"{holder} has no channel to {other}", code="no_channel")
    closable = channel.closable_at
    if wallet.now < closable:
        raise InputError(
            f"the channel can be closed {wallet.moment(closable)}: it expires "
            f"{wallet.moment(channel.expires_at)}, and its last day can be collected for a day "
            "more; `allocate --expires` sets a nearer expiry, with a day's notice",
            code="not_expired",
        )
    return Plan(
        title=f"Close the channel to {other}",
        steps=[wallet.step("close", ledger, "close_channel", holder, other)],
        changes=[
            in_ledger(wallet, holder, channel.deposit),
            _part(wallet, holder, other, "dollars in the channel", "deposit", -channel.deposit),
        ],
        facts={"expired": wallet.moment(channel.expires_at)},
    )


def owned_channels(wallet: Wallet) -> dict[str, Channel]:
    """Open channels of the account by payee, as set, oldest first; found by their events."""
    ledger = wallet.network.ledger
    start = wallet.network.deployment.block
    events = history(ledger, "ChannelSet", start, owner=wallet.account)
    payees = dict.fromkeys(str(event.args["payee"]) for event in events)
    found = {payee: ledger.channel(wallet.account, payee) for payee in payees}
    return {payee: channel for payee, channel in found.items() if channel.expires_at}


def known_channels(wallet: Wallet) -> dict[str, Channel]:
    """As `owned_channels`, without those that the node's limits hide: to explain, not to decide."""
    try:
        return owned_channels(wallet)
    except ChainError:
        return {}


def listed(wallet: Wallet, channels: Mapping[str, Channel]) -> str:
    """Channels in one line."""
    if not channels:
        return "no channel is known"
    each = (f"{payee} {_promise(wallet, channel)}" for payee, channel in channels.items())
    return "channels: " + ", ".join(each)


def _wanted(wallet: Wallet, old: Channel, wish: Wish) -> Channel:
    karat, capacity = old.karat_micro, old.capacity_bps
    if wish.karat is not None:
        karat = 0 if wish.karat in ZERO else parse_amount(wish.karat, USDC, "KARAT's part")
    if wish.capacity is not None:
        capacity = parse_percent(wish.capacity, "capacity's part")
    added = 0
    if wish.deposit is not None:
        held = wallet.network.usdc.balance_of(wallet.account)
        added = chosen(wish.deposit, USDC, held, "USDC in the wallet", GET_USDC)
    if not (karat or capacity or added or old.deposit or old.expires_at):
        raise InputError(
            "the channel would promise nothing; give it --karat, --capacity or --deposit",
            code="bad_amount",
        )
    return Channel(
        karat, capacity, old.deposit + added, _key(wallet, old, wish), _expiry(wallet, old, wish)
    )


def _key(wallet: Wallet, old: Channel, wish: Wish) -> str:
    if wish.session_key is None:
        return old.session_key
    if wish.session_key.lower() == NONE:
        return NOBODY
    return wallet.address(wish.session_key, "session key")


def _expiry(wallet: Wallet, old: Channel, wish: Wish) -> int:
    """When the channel ends; nearer than it was only with a day's notice."""
    alive = old.expires_at > wallet.now
    if wish.expires is None and alive:
        return old.expires_at
    at = parse_moment(wish.expires or DEFAULT_LIFE, wallet.now)
    if at <= wallet.now:
        raise InputError(
            f"the expiry {wallet.moment(at)} is past; write a later one, such as 30d",
            code="bad_time",
        )
    earliest = min(old.expires_at, wallet.now + SECONDS_PER_DAY + NOTICE_MARGIN_SECONDS)
    if alive and at < earliest:
        raise InputError(
            f"the payee has a day's notice of a nearer expiry: {wallet.moment(earliest)} at the "
            f"earliest, not {wallet.moment(at)}; write --expires 25h",
            code="too_soon",
        )
    return at


def _check_room(wallet: Wallet, payee: str, new: Channel, channels: Mapping[str, Channel]) -> None:
    """What all channels promise together must fit into the allowance."""
    others = [channel for other, channel in channels.items() if other != payee]
    karat, _ = wallet.network.ledger.allowance_of(wallet.account)
    taken = sum(channel.karat_micro for channel in others)
    if new.karat_micro and taken + new.karat_micro > karat:
        raise InputError(
            f"KARAT's part of {Amount(new.karat_micro, USDC)} a day is too much: the staked KARAT "
            f"allows {Amount(karat, USDC)}, other channels claim {Amount(taken, USDC)}; stake "
            f"more KARAT (`stake-karat`) or allocate less; {listed(wallet, channels)}",
            code="over_allocated",
        )
    taken = sum(channel.capacity_bps for channel in others)
    if taken + new.capacity_bps > BPS:
        raise InputError(
            f"capacity's part of {Amount(new.capacity_bps, PERCENT)} is too much: other channels "
            f"claim {Amount(taken, PERCENT)} of 100 %; allocate less; {listed(wallet, channels)}",
            code="over_allocated",
        )


def _changes(wallet: Wallet, payee: str, old: Channel, new: Channel) -> list[Change]:
    added = new.deposit - old.deposit
    found = [
        _part(
            wallet,
            wallet.account,
            payee,
            "KARAT's part a day",
            "karat_micro",
            new.karat_micro - old.karat_micro,
        ),
        _part(
            wallet,
            wallet.account,
            payee,
            "part of the capacity share",
            "capacity_bps",
            new.capacity_bps - old.capacity_bps,
        ),
        _part(wallet, wallet.account, payee, "dollars in the channel", "deposit", added),
    ]
    return [*found, usdc_of(wallet, wallet.account, -added)] if added else found


def _part(wallet: Wallet, owner: str, payee: str, what: str, name: str, difference: int) -> Change:
    ledger = wallet.network.ledger
    unit = PERCENT if name == "capacity_bps" else USDC

    def read() -> int:
        return int(getattr(ledger.channel(owner, payee), name))

    return change(what, unit, read, difference)


def _terms(wallet: Wallet, old: Channel, new: Channel) -> dict[str, Fact]:
    ledger = wallet.network.ledger
    karat, capacity = ledger.allowance_of(wallet.account)
    falls = new.karat_micro < old.karat_micro or new.capacity_bps < old.capacity_bps
    tomorrow = wallet.moment((wallet.day + 1) * SECONDS_PER_DAY)
    facts: dict[str, Fact] = {
        "allowance of KARAT today": Amount(karat, USDC),
        "capacity share today": Amount(capacity, USDC),
        "expires": wallet.moment(new.expires_at),
        "session key": new.session_key if new.session_key != NOBODY else NONE,
    }
    if falls:
        facts["what falls, falls"] = tomorrow
    if new.session_key != old.session_key and old.expires_at:
        facts["the key changes"] = tomorrow if old.session_key != NOBODY else "at once"
    return facts


def _warnings(old: Channel, new: Channel) -> list[str]:
    warnings = []
    if new.deposit > old.deposit:
        warnings.append(
            "dollars in a channel come out by vouchers, or when it has expired and is closed"
        )
    if new.session_key == NOBODY:
        warnings.append("without a session key this account itself must sign every voucher")
    return warnings


def _promise(wallet: Wallet, channel: Channel) -> str:
    text = f"{Amount(channel.karat_micro, USDC)} a day and {Amount(channel.capacity_bps, PERCENT)}"
    return text if channel.expires_at > wallet.now else f"{text} (expired: `close-channel`)"
