"""`assay provider init` and `assay provider price`: what an operator decides."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assay.cli import output
from assay.core.errors import ConfigError, InputError
from assay.core.settings import DEFAULT_RPC, ProviderSettings, load_settings

if TYPE_CHECKING:
    from assay.provider.prices import Price

DEFAULTS = ProviderSettings.model_fields


def init(
    settings: Annotated[Path, typer.Option(help="The file to write.")] = Path("provider.toml"),
    rpc_url: Annotated[str | None, typer.Option(help="A node of the network.")] = None,
    deployment: Annotated[Path | None, typer.Option(help="Its deployment's folder.")] = None,
    model: Annotated[
        list[Path] | None, typer.Option(help="A checkpoint folder; repeatable. Default: shipped.")
    ] = None,
    keystore: Annotated[Path | None, typer.Option(help="A keystore; made if not there.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="Its password's file.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="For journal and state.")] = None,
    port: Annotated[int | None, typer.Option(min=1, max=65535, help="To listen on.")] = None,
    public_url: Annotated[str | None, typer.Option(help="How others reach it.")] = None,
    price_input: Annotated[int | None, typer.Option(min=0, help="Micro-USD per million.")] = None,
    price_output: Annotated[int | None, typer.Option(min=0, help="Micro-USD per million.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the settings file.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: defaults for the rest.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Look at this machine, write a settings file and, if there is none, a keystore.

    Asks for what no option gives, where there is somebody to ask.
    """
    from assay.engine.importer import SHIPPED_MODEL
    from assay.provider.initial import (
        Choice,
        Machine,
        fitting_slots,
        make_account,
        settings_text,
        write_settings,
    )

    ask = Asker(not yes and not as_json and sys.stdin.isatty())
    folder = settings.resolve().parent
    if settings.exists() and not force:
        raise ConfigError(f"{settings} exists; give --force to write it anew")
    key = Path(ask.text("keystore", keystore, folder / "keystore.json")).resolve()
    choice = Choice(
        rpc_url=ask.text("node", rpc_url, DEFAULT_RPC),
        deployment=Path(
            ask.text("deployment", deployment, DEFAULTS["deployment"].default)
        ).resolve(),
        keystore=key,
        password_file=(password_file or key.with_suffix(".password")).resolve(),
        data_dir=Path(ask.text("data folder", data_dir, folder / "provider-data")).resolve(),
        models=tuple(path.resolve() for path in model or [SHIPPED_MODEL]),
        port=ask.number("port", port, DEFAULTS["port"].default),
        public_url=ask.text("public URL, or nothing", public_url, "") or None,
        price_input=ask.number("price of input", price_input, DEFAULTS["price_input"].default),
        price_output=ask.number("price of output", price_output, DEFAULTS["price_output"].default),
    )
    machine = Machine.here()
    text = settings_text(choice, machine, fitting_slots(choice.models))
    write_settings(settings, text, force)
    made = make_account(choice.keystore, choice.password_file)
    steps = next_steps(settings, made)
    if as_json:
        facts = {"settings": settings.resolve(), "keystore": choice.keystore, "new_account": made}
        output.print_json({**facts, "machine": machine, "next": steps})
        return
    output.stdout.print(f"{machine.describe()}\nwritten: {settings}", soft_wrap=True)
    output.print_rows("next", [(f"{n}.", step) for n, step in enumerate(steps, 1)])


class Asker:
    """Values from options; the others from whoever is there, or else by default."""

    def __init__(self, somebody: bool) -> None:
        self._somebody = somebody

    def text(self, what: str, given: object, default: object) -> str:
        if given is not None:
            return str(given)
        if not self._somebody:
            return str(default)
        return str(typer.prompt(what, default=str(default), err=True))

    def number(self, what: str, given: int | None, default: int) -> int:
        text = self.text(what, given, default)
        if not (text.isascii() and text.isdigit()):
            raise InputError(f"{text!r} is no {what}; write a whole number, such as {default}")
        return int(text)


def next_steps(settings: Path, account: str | None) -> list[str]:
    steps = [f"export ASSAY_CONFIG={settings.resolve()}"]
    if account is not None:
        steps.append(f"send ether for gas and ASSAY for the bond to {account}")
    steps += [
        "assay provider register 5000     (ASSAY to bond; `assay provider status` shows the slash)",
        "assay provider doctor            (until it says PASS)",
        "assay provider serve",
    ]
    return steps


def price(
    model: Annotated[
        str | None, typer.Argument(help="Its name; needed where several are served.")
    ] = None,
    input_price: Annotated[
        int | None, typer.Option("--input", min=0, help="Micro-USD per million tokens.")
    ] = None,
    output_price: Annotated[
        int | None, typer.Option("--output", min=0, help="Micro-USD per million tokens.")
    ] = None,
    batch_discount: Annotated[
        int | None, typer.Option("--batch-discount", min=0, max=10_000, help="In 1/10,000.")
    ] = None,
    reset: Annotated[bool, typer.Option("--reset", help="Back to the settings'.")] = False,
    as_json: output.JsonFlag = False,
) -> None:
    """Show prices, or change a model's while the provider runs; no restart is needed.

    Gateways learn it at their next look; until `offer_seconds` later the old price is honoured.
    """
    from assay.provider.home import Home
    from assay.provider.prices import read_prices, write_price
    from assay.provider.shops import served

    settings = load_settings(ProviderSettings)
    path = Home(settings.data_dir).prices
    first = {each.path.resolve().name: each.price for each in served(settings)}
    given = {
        "input": input_price,
        "output": output_price,
        "batch_discount_bps": batch_discount,
    }
    changes = {field: value for field, value in given.items() if value is not None}
    if reset or changes:
        name = _chosen(model, first)
        now = read_prices(path).get(name, first[name])
        write_price(path, name, None if reset else replace(now, **changes))
    _show_prices(first, read_prices(path), as_json)


def _chosen(model: str | None, known: dict[str, Price]) -> str:
    names = ", ".join(known)
    if model is None and len(known) == 1:
        return next(iter(known))
    if model is None:
        raise InputError(f"several models are served; name one of {names}", code="no_model")
    if model not in known:
        raise InputError(f"{model!r} is not served; {names} is", code="model_not_found")
    return model


def _show_prices(first: dict[str, Price], changed: dict[str, Price], as_json: bool) -> None:
    prices = {name: changed.get(name, price) for name, price in first.items()}
    if as_json:
        output.print_json(prices)
        return
    header = ("model", "input", "output", "batches", "from")
    rows = [
        (
            name,
            now.input,
            now.output,
            f"-{now.batch_discount_bps / 100:g} %",
            "price command" if name in changed else "settings",
        )
        for name, now in prices.items()
    ]
    output.print_table("micro-USD per million tokens", header, rows)
