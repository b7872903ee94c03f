"""`assay indexer …`"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from assay.cli import output
from assay.core.settings import IndexerSettings, load_settings

app = typer.Typer(
    help="Keep the chain's events in a database and serve them.", no_args_is_help=True
)


@app.callback()
def group() -> None:
    """Keep the chain's events in a database and serve them."""


@app.command()
def run(
    host: Annotated[str | None, typer.Option(help="Address to listen on (ASSAY_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (ASSAY_PORT).")] = None,
) -> None:
    """Follow the chain and serve the read API (settings: ASSAY_*)."""
    from assay.indexer import service

    service.run(load_settings(IndexerSettings, host=host, port=port))


@app.command()
def rebuild(as_json: output.JsonFlag = False) -> None:
    """Empty the index and read the chain again from the deployment on."""
    from assay.indexer import service

    settings = load_settings(IndexerSettings)
    with output.progress() as show:

        def progress(block: int, head: int) -> None:
            show(f"block {block:,} of {head:,}", block / max(head, 1))

        stand = service.rebuild(settings, lambda stand, head: progress(stand.block, head))
    if as_json:
        output.print_json(stand)
    else:
        output.print_fields("The index is rebuilt", {"block": stand.block, "hash": stand.hash})


@app.command()
def status(as_json: output.JsonFlag = False) -> None:
    """Where the index stands: its newest block, the node's, and its rows."""
    from assay.indexer import service

    found = service.position(load_settings(IndexerSettings))
    if as_json:
        output.print_json({**vars(found), "lag": found.lag})
        return
    age = f"{time.time() - found.timestamp:,.0f} s old" if found.timestamp else "nothing read yet"
    fields = {"index of": found.origin, "block": f"{found.block:,} ({age})", "node": found.head}
    output.print_fields("Index", {**fields, "behind": f"{found.lag:,} blocks", **found.rows})
