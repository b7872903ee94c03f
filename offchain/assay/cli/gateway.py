"""`assay gateway …`"""

from __future__ import annotations

from typing import Annotated

import typer

from assay.core.settings import GatewaySettings, load_settings

app = typer.Typer(help="The HTTP endpoint for consumers.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The HTTP endpoint for consumers."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (ASSAY_HOST).")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (ASSAY_PORT).")] = None,
) -> None:
    """Serve the OpenAI-compatible API (settings: ASSAY_*)."""
    from assay.gateway import service

    service.run(load_settings(GatewaySettings, host=host, port=port))
