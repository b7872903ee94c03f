"""`assay wallet …`: its commands are click's own, shared with `ape run wallet` (assay.wallet)."""

from __future__ import annotations

import typer

PASS_ON = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}


def wallet(context: typer.Context) -> None:
    """Stake, mint KARAT, allocate, deposit, vote: what a token holder does (settings: ASSAY_*)."""
    from assay.wallet.commands import wallet as commands

    commands.main(args=context.args or ["--help"], prog_name="assay wallet")
