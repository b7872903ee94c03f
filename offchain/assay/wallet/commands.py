"""The wallet's commands, declared once for `assay wallet` and for `ape run wallet`.

An `Entry` is a command's name, parameters and action; `build` makes a click command of it for a
front, which knows where the account comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from assay.core.errors import AssayError, InputError
from assay.wallet.account import NOBODY, Wallet
from assay.wallet.actions import (
    airdrop,
    auction,
    channels,
    dollars,
    governance,
    karat,
    overview,
    staking,
)
from assay.wallet.front import Front, KeystoreFront
from assay.wallet.plan import Plan, Report
from assay.wallet.run import Mode, carry_out, tell
from assay.wallet.screen import Screen

FrontOf = Callable[[dict[str, Any], Mode], Front]
"""Takes its own options out of a command's values."""


@dataclass(frozen=True)
class Entry:
    """One command. Without `sends` it only tells; without `needs_account` it may have none."""

    name: str
    help: str
    make: Callable[..., Plan | Report]
    params: tuple[click.Parameter, ...] = ()
    sends: bool = True
    needs_account: bool = True


def argument(name: str, **settings: Any) -> click.Argument:
    return click.Argument([name], **settings)


def option(name: str, text: str, **settings: Any) -> click.Option:
    return click.Option([name], help=text, **settings)


AMOUNT = argument("amount", metavar="AMOUNT")
TICKET = argument("ticket_id", metavar="TICKET", type=click.IntRange(min=0))
TICKETS = argument("ids", metavar="[TICKET]...", type=click.IntRange(min=0), nargs=-1)
PAYEE = argument("payee", metavar="PAYEE")
FILE = argument("path", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False))
TO = click.Option(["--to", "to"], metavar="ADDRESS", help="Who gets it; default: the account.")
LOCK = argument("lock", metavar="[ASSAY]", required=False)
WANTED = option("--karat", "KARAT to mint, instead of ASSAY to lock.", metavar="AMOUNT")


def beneficiary(text: str) -> click.Option:
    return click.Option(["--for", "beneficiary"], metavar="ADDRESS", help=text)


def existing(name: str, text: str) -> click.Option:
    kind = click.Path(path_type=Path, dir_okay=False, exists=True)
    return click.Option([name], type=kind, help=text)


def show(wallet: Wallet, address: str | None = None) -> Report:
    """The overview of any account; the command's own by default."""
    if address is None and wallet.account == NOBODY:
        raise InputError(
            "name an address, or give an account (ASSAY_KEYSTORE; in Ape, --account)",
            code="no_account",
        )
    account = wallet.address(address, "account to show")
    return overview.show(Wallet(wallet.network, account, wallet.folder))


def allocate(wallet: Wallet, payee: str, **wish: str | None) -> Plan:
    return channels.allocate(wallet, payee, channels.Wish(**wish))


def take(
    wallet: Wallet,
    amount: str,
    max_price: str | None,
    to: str | None,
    through_pool: bool,
    min_profit: str | None,
) -> Plan:
    if not through_pool:
        if min_profit is not None:
            raise InputError("--min-profit goes with --through-pool only", code="bad_options")
        return auction.take(wallet, amount, max_price, to)
    if max_price is not None or to is not None:
        raise InputError(
            "--through-pool takes --min-profit, not --max-price or --to", code="bad_options"
        )
    return auction.take_through_pool(wallet, amount, min_profit)


def propose(
    wallet: Wallet,
    path: Path,
    description: str,
    calls: Sequence[str],
    delay: int | None,
    after: str | None,
) -> Report:
    return governance.propose(wallet, path, description, calls, delay, after)


STAKE = (
    Entry(
        "airdrop",
        "Claim this account's part of the airdrop.",
        airdrop.airdrop,
        (
            existing("--proofs", "The airdrop's list; default: beside the deployment."),
            beneficiary("Claim for another account."),
        ),
    ),
    Entry(
        "stake",
        "Stake ASSAY: 12.5, or max.",
        staking.stake,
        (AMOUNT, beneficiary("Stake in another account's name.")),
    ),
    Entry("unstake", "Turn free stake into a cooldown ticket.", staking.unstake, (AMOUNT,)),
    Entry("cancel", "Stake a ticket's ASSAY again, ripe or not.", staking.cancel, (TICKET,)),
    Entry("withdraw", "Collect ripe tickets of ASSAY; default: all.", staking.withdraw, (TICKETS,)),
    Entry("claim", "Mint the staking rewards to the wallet.", staking.claim),
    Entry("compound", "Mint the staking rewards and stake them.", staking.compound),
)

CREDIT = (
    Entry(
        "quote",
        "What locking so much ASSAY mints now, or what so much --karat costs.",
        karat.quote,
        (LOCK, WANTED),
        sends=False,
        needs_account=False,
    ),
    Entry(
        "mint",
        "Lock free stake and mint KARAT: ASSAY to lock (or max), or --karat to mint.",
        karat.mint,
        (
            LOCK,
            WANTED,
            option(
                "--slippage",
                "Percent below the quote that is still accepted.",
                default="0.5",
                show_default=True,
                metavar="PERCENT",
            ),
        ),
    ),
    Entry("burn", "Burn KARAT and unlock the stake behind it.", karat.burn, (AMOUNT,)),
    Entry("stake-karat", "Stake KARAT: $1 a UTC day each.", karat.stake, (AMOUNT,)),
    Entry("unstake-karat", "Turn staked KARAT into a ticket.", karat.unstake, (AMOUNT,)),
    Entry("cancel-karat", "Stake a ticket's KARAT again.", karat.cancel, (TICKET,)),
    Entry(
        "withdraw-karat", "Collect ripe tickets of KARAT; default: all.", karat.withdraw, (TICKETS,)
    ),
    Entry(
        "allocate",
        "Let a gateway or provider spend of the allowance: open a channel, or change it.",
        allocate,
        (
            PAYEE,
            option("--karat", "Dollars a UTC day of KARAT's allowance; 0 for none.", metavar="USD"),
            option("--capacity", "Part of the capacity share, in percent.", metavar="PERCENT"),
            option("--deposit", "USDC to add to the channel, or max.", metavar="AMOUNT"),
            option("--session-key", "Who may sign vouchers; or none.", metavar="ADDRESS"),
            option("--expires", "30d, 12h, a date, or Unix seconds.", metavar="TIME"),
        ),
    ),
    Entry(
        "close-channel",
        "End a channel that has expired; its dollars go back to its owner.",
        channels.close,
        (PAYEE, click.Option(["--owner"], metavar="ADDRESS", help="Default: the account.")),
    ),
)

DOLLARS = (
    Entry(
        "deposit-usdc",
        "Move USDC into the credit ledger.",
        dollars.deposit,
        (AMOUNT, beneficiary("Deposit for another account.")),
    ),
    Entry("request-usdc", "Give notice of a withdrawal of dollars.", dollars.request, (AMOUNT,)),
    Entry(
        "withdraw-usdc",
        "Collect ripe tickets of dollars; default: all.",
        dollars.withdraw,
        (TICKETS, TO),
    ),
    Entry("earnings", "Collect a provider's dollars and emission.", dollars.earnings, (TO,)),
)

AUCTION = (
    Entry(
        "auction",
        "The burn auction now.",
        auction.auction,
        sends=False,
        needs_account=False,
    ),
    Entry("start-auction", "Bring the protocol's dollars in and start.", auction.start),
    Entry(
        "take",
        "Buy dollars of the live auction with ASSAY, which is burned; max for all that is left.",
        take,
        (
            AMOUNT,
            option("--max-price", "Most ASSAY for a dollar.", metavar="ASSAY"),
            TO,
            option("--through-pool", "Fill from the Uniswap pool (BurnTaker).", is_flag=True),
            option("--min-profit", "Least ASSAY left over; with --through-pool.", metavar="ASSAY"),
        ),
    ),
)

GOVERNANCE = (
    Entry(
        "propose",
        'Write a proposal: --call "EmissionController.set_daily_capacity(20000000000)". '
        "Sends nothing.",
        propose,
        (
            FILE,
            option("--description", "What it is for; also tells equal ones apart.", required=True),
            click.Option(
                ["--call", "calls"],
                multiple=True,
                required=True,
                metavar="CALL",
                help="Contract.function(arguments as JSON); several are made together.",
            ),
            option("--delay", "Seconds; default: the minimum.", type=click.IntRange(min=0)),
            option("--after", "Operation that must be executed first.", metavar="ID"),
        ),
        sends=False,
        needs_account=False,
    ),
    Entry("queue", "Schedule a proposal on the timelock.", governance.queue, (FILE,)),
    Entry("execute", "Make a proposal's calls, after its delay.", governance.execute, (FILE,)),
    Entry("cancel", "Take a queued proposal back.", governance.cancel, (FILE,)),
    Entry(
        "show",
        "A proposal, or all that was queued: calls, state, time left.",
        governance.show,
        (
            argument(
                "path",
                metavar="[FILE]",
                type=click.Path(path_type=Path, dir_okay=False),
                required=False,
            ),
        ),
        sends=False,
        needs_account=False,
    ),
)

OVERVIEW = (
    Entry(
        "show",
        "Everything that an account holds.",
        show,
        (argument("address", metavar="[ADDRESS]", required=False),),
        sends=False,
        needs_account=False,
    ),
)

ENTRIES = (*OVERVIEW, *STAKE, *CREDIT, *DOLLARS, *AUCTION)
"""Commands beside the group `governance`."""

JSON = option("--json", "Print one JSON document.", is_flag=True)
MODES = (
    click.Option(["-y", "--yes"], is_flag=True, help="Do not ask."),
    click.Option(["--dry-run"], is_flag=True, help="Rehearse and show; send nothing."),
)


def build(
    entry: Entry,
    front_of: FrontOf,
    extra: Sequence[click.Parameter] = (),
    kind: type[click.Command] = click.Command,
) -> click.Command:
    """A click command for a front; `extra` are the front's own options."""

    def callback(**values: Any) -> None:
        mode = Mode(
            yes=bool(values.pop("yes", False)),
            dry_run=bool(values.pop("dry_run", False)),
            as_json=bool(values.pop("json")),
        )
        code = perform(entry, front_of(values, mode), values, mode)
        if code:
            click.get_current_context().exit(code)

    params = [*entry.params, *extra, *(MODES if entry.sends else ()), JSON]
    return kind(entry.name, callback=callback, params=params, help=entry.help)


def perform(entry: Entry, front: Front, values: dict[str, Any], mode: Mode) -> int:
    """Run an action; the package's errors become a message and an exit code."""
    screen = Screen(mode.as_json)
    screen.document["action"] = entry.name
    try:
        if entry.sends:
            mode.check()
        wallet = front.open(entry.needs_account, entry.sends and not mode.dry_run)
        outcome = entry.make(wallet, **values)
        if isinstance(outcome, Report):
            tell(outcome, screen)
        else:
            carry_out(outcome, wallet, mode, screen)
    except AssayError as error:
        return screen.fail(error)
    screen.finish()
    return 0


def group(make: Callable[[Entry], click.Command]) -> click.Group:
    """All commands, the group `governance` among them."""
    wallet = click.Group("wallet", help="What a token holder does on chain.")
    for entry in ENTRIES:
        wallet.add_command(make(entry))
    wallet.add_command(governance_group(make))
    return wallet


def governance_group(make: Callable[[Entry], click.Command]) -> click.Group:
    text = "Proposals to the timelock, which owns whatever can be set."
    return click.Group("governance", [make(entry) for entry in GOVERNANCE], help=text)


def keystore_command(entry: Entry) -> click.Command:
    """The command for `assay wallet`."""
    return build(entry, lambda values, mode: KeystoreFront())


wallet = group(keystore_command)
