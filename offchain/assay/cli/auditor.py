"""`assay auditor …`"""

from __future__ import annotations

import typer

from assay.cli import output
from assay.core.settings import AuditorSettings, load_settings

app = typer.Typer(help="Audit claims that are drawn, for pay.", no_args_is_help=True)


@app.command()
def run() -> None:
    """Audit what falls to the account's seats, play its games (settings: ASSAY_*)."""
    from assay.challenger import auditor_service

    auditor_service.run(load_settings(AuditorSettings))


@app.command()
def sit(as_json: output.JsonFlag = False) -> None:
    """Take a seat: pays its deposit. Rounds that begin later draw it."""
    from assay.chain.keys import load_account
    from assay.chain.network import Network
    from assay.core.boxes import private_key, public_key

    settings = load_settings(AuditorSettings)
    account = load_account(settings)
    network = Network.connect(settings, account)
    audits = network.audits
    network.bond_token.ensure_allowance(str(account.address), audits.address, audits.seat_deposit())
    mined = audits.take_seat(public_key(private_key(bytes(account.key))))
    _show({"transaction": mined.hash}, as_json)


@app.command()
def leave(seat: int, as_json: output.JsonFlag = False) -> None:
    """Give a seat back for its deposit; nothing of it may be pending."""
    from assay.chain.network import Network

    mined = Network.connect(load_settings(AuditorSettings)).audits.leave_seat(seat)
    _show({"transaction": mined.hash}, as_json)


@app.command()
def status(as_json: output.JsonFlag = False) -> None:
    """The account's seats."""
    from assay.chain.keys import load_account
    from assay.chain.network import Network

    settings = load_settings(AuditorSettings)
    account = load_account(settings)
    audits = Network.connect(settings, account).audits
    seats = {number: audits.seat(number) for number in range(audits.seat_count())}
    mine = {n: seat for n, seat in seats.items() if seat.auditor == account.address}
    figures = {
        "seats": [{"seat": n, "since": s.since, "pending": s.pending} for n, s in mine.items()],
        "rounds": audits.round_count(),
        "seats_in_all": len(seats),
    }
    _show(figures, as_json)


def _show(figures: dict[str, object], as_json: bool) -> None:
    if as_json:
        output.print_json(figures)
    else:
        output.print_fields("auditor", figures)
