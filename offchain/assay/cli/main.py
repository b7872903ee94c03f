"""Entry point of the `assay` command: puts the groups together and reports errors.

Imports nothing heavy: torch, web3 and the services are imported by the command that needs them.
"""

from __future__ import annotations

import sys

import typer

from assay.cli import (
    auditor,
    books,
    challenger,
    demo,
    deploy,
    game,
    gateway,
    indexer,
    keeper,
    market,
    model,
    output,
    provider,
    verify,
    wallet,
)
from assay.core.errors import AssayError

commands = typer.Typer(
    name="assay",
    help="Verifiable LLM inference: every answer is bonded, every wrong answer provable on chain.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
commands.command("demo")(demo.demo)
commands.command("deploy")(deploy.deploy)
commands.command("verify-deployment")(deploy.verify_deployment)
commands.command("audit-books")(books.audit_books)
commands.command("powers")(deploy.powers)
commands.command("verify")(verify.verify)
commands.command("wallet", context_settings=wallet.PASS_ON, add_help_option=False)(wallet.wallet)
commands.add_typer(model.app, name="model")
commands.add_typer(provider.app, name="provider")
commands.add_typer(challenger.app, name="challenger")
commands.add_typer(auditor.app, name="auditor")
commands.add_typer(gateway.app, name="gateway")
commands.add_typer(keeper.app, name="keeper")
commands.add_typer(indexer.app, name="indexer")
commands.add_typer(game.app, name="game")
commands.add_typer(market.app, name="market")


def app() -> None:
    """Run the command line; the package's errors become a message and an exit code."""
    try:
        commands()
    except AssayError as error:
        sys.exit(output.fail(error, "--json" in sys.argv))


if __name__ == "__main__":
    app()
