"""`assay audit-books`"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import output
from assay.core.errors import InputError
from assay.core.settings import BooksSettings, load_settings

if TYPE_CHECKING:
    from assay.books.audit import Audit

EPOCH = date(1970, 1, 1).toordinal()


def audit_books(
    day: Annotated[str, typer.Option(help="UTC day, YYYY-MM-DD; or days since 1970-01-01.")],
    as_json: output.JsonFlag = False,
) -> None:
    """Whether a gateway's day adds up to the micro-dollar: usage, receipts, claims, payments.

    Reads the gateway's database, the index and the chain (ASSAY_GATEWAY_DATABASE_URL,
    ASSAY_INDEX_DATABASE_URL, ASSAY_RPC_URL, ASSAY_DEPLOYMENT). Exit code 1, with the rows, if
    something differs.
    """
    from assay.books.run import audit_books as run

    audit = run(load_settings(BooksSettings), _day(day))
    if as_json:
        output.print_json({**vars(audit), "by_reason": audit.by_reason()})
    else:
        _print(audit)
    if audit.findings:
        raise typer.Exit(output.REFUTED)


def _day(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        return date.fromisoformat(text).toordinal() - EPOCH
    except ValueError as error:
        raise InputError(
            f"{text!r} is no day; write YYYY-MM-DD, as {datetime.now(UTC).date()}", param="day"
        ) from error


def _print(audit: Audit) -> None:
    name = date.fromordinal(EPOCH + audit.day).isoformat()
    rows = [
        ("charged to owners", audit.charged),
        ("at the gateway's own cost", audit.own_cost),
        ("receipts", audit.receipts),
        ("claimed", audit.claimed),
        ("paid, fees among it", audit.paid),
        *((f"unpaid: {why}", amount) for why, (_, amount) in audit.by_reason().items()),
        ("fees", audit.fees),
        ("collected by vouchers", audit.collected),
    ]
    output.print_table(f"{name}: {audit.answers:,} answers", ("", "micro-USD"), rows)
    if not audit.findings:
        output.stdout.print("The books agree.")
        return
    found = [(row.kind, row.subject, row.expected, row.found) for row in audit.findings]
    header = ("what", "of which", "should be", "is")
    output.print_table(f"{len(found)} rows do not add up", header, found)
