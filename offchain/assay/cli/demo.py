"""`assay demo`"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import output
from assay.core.errors import InputError

if TYPE_CHECKING:
    from assay.demo.result import Demonstration

DEFAULT_PROMPT = "The with statement is used to"
TERMINATED = 143


def check_prompt(prompt: str) -> None:
    """Refuse at once what the gateway would refuse after a minute of setting up."""
    if not prompt:
        raise InputError("the prompt is empty; give at least one character", code="empty_prompt")
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            f"the prompt is not UTF-8 at character {error.start}; check the terminal's encoding",
            code="invalid_utf8",
        ) from error


def demo(
    prompt: Annotated[str, typer.Argument(help="What to ask.")] = DEFAULT_PROMPT,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave everything running until Ctrl-C.")
    ] = False,
    model: Annotated[Path | None, typer.Option(help="Checkpoint; default: the shipped.")] = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Length of the answers.")] = 48,
    port: Annotated[
        int, typer.Option(min=0, max=65533, help="Gateway's port; the next two are providers'.")
    ] = 8100,
    rpc_port: Annotated[int, typer.Option(min=0, max=65535, help="Anvil's port.")] = 8545,
    as_json: output.JsonFlag = False,
) -> None:
    """A whole network here: an honest answer is paid, a lie is convicted on chain."""
    from assay.demo.narrator import Narrator
    from assay.demo.run import demonstrate
    from assay.demo.scene import Options
    from assay.demo.stage import Stopped
    from assay.engine.importer import SHIPPED_MODEL

    check_prompt(prompt)
    options = Options(prompt, model or SHIPPED_MODEL, max_tokens, rpc_port, port)
    narrator = Narrator(output.stderr if as_json else output.stdout)

    def done(result: Demonstration) -> None:
        if as_json:
            output.print_json(result)

    try:
        demonstrate(options, narrator, keep, done)
    except (KeyboardInterrupt, Stopped) as stop:
        code = TERMINATED if isinstance(stop, Stopped) else output.INTERRUPTED
        raise SystemExit(code) from stop
