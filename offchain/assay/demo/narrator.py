"""Tells the story of a demonstration on a terminal; decides nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from assay.demo.result import (
    Balance,
    Game,
    Move,
    Recomputation,
    Served,
    Settled,
    Slash,
    Transaction,
)


class Narrator:
    """Writes to `console`: stdout for people, stderr when stdout is a JSON document."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._chapter = 0

    def chapter(self, title: str) -> None:
        self._chapter += 1
        self._console.print()
        self._console.rule(f"[bold]{self._chapter}. {title}", align="left")

    def say(self, text: str) -> None:
        self._console.print(Text(text))

    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        """A spinner on a terminal, a line elsewhere, while something takes time."""
        if not self._console.is_terminal:
            self.say(f"{what} …")
            yield
            return
        with self._console.status(what):
            yield

    def fields(self, rows: Sequence[tuple[str, str]]) -> None:
        """Names and values, a line each; a long value is never cut."""
        width = max(len(name) for name, _ in rows)
        for name, value in rows:
            line = Text.assemble((f"  {name:<{width}}  ", "dim"), value)
            self._console.print(line, soft_wrap=True)

    def prompt(self, prompt: str, provider: str) -> None:
        self.say(f"asking {provider} through the gateway:")
        self._console.print(Text(prompt, style="bold"), end="", soft_wrap=True)

    def piece(self, text: str) -> None:
        """Part of a streamed answer."""
        self._console.print(Text(text, style="cyan"), end="", soft_wrap=True)

    def served(self, served: Served) -> None:
        self._console.print()
        rate = served.output_tokens / served.seconds if served.seconds else 0.0
        self.fields(
            [
                ("receipt", served.receipt_id),
                ("provider", served.provider),
                (
                    "tokens",
                    f"{served.prompt_tokens} in, {served.output_tokens} out, {rate:.0f} a second",
                ),
                ("price", f"{served.price_micro_usd / 1e6:.6f} USD"),
            ]
        )

    def receipt(self, answer: Mapping[str, Any]) -> None:
        """The signed receipt and its place in a batch, as the gateway gives them."""
        receipt, batch = answer["receipt"], answer["batch"]
        self.fields(
            [
                ("output root", str(receipt["output_root"])),
                ("signature", f"{answer['receipt_signature'][:34]}… of the provider"),
                ("batch", f"{batch['batch_id']}"),
                ("place", f"{batch['index']} of {batch['count']}"),
            ]
        )

    def transaction(self, what: str, transaction: Transaction) -> None:
        self.fields(
            [
                (what, transaction.hash),
                ("block", f"{transaction.block}, {transaction.gas:,} gas"),
            ]
        )

    def settled(self, settled: Settled) -> None:
        self.transaction("finalised by", settled.finalisation)
        earned = settled.paid_micro_usd - settled.fee_micro_usd
        self.fields(
            [
                ("paid", f"{settled.paid_micro_usd / 1e6:.6f} USD of the consumer's prepaid ones"),
                ("earned", f"{earned / 1e6:.6f} USD, which the provider may withdraw"),
                ("fee", f"{settled.fee_micro_usd / 1e6:.6f} USD, on its way to the burn auction"),
            ]
        )

    def move(self, move: Move) -> None:
        line = Text.assemble(
            (f"{move.by:>17} ", "magenta" if "cheating" in move.by else "green"),
            (f"{move.name:<16} ", "bold"),
            (f"{move.transaction.gas:>9,} gas  "),
            (move.detail, "dim"),
        )
        self._console.print(line, soft_wrap=True)

    def verdict(self, game: Game) -> None:
        if game.element is not None:
            self._console.print(_recomputation(game.element))
        self.say(
            f"{game.outcome.replace('_', ' ')}: {game.reason} "
            f"({len(game.moves)} transactions, {game.gas:,} gas in all)"
        )

    def slash(self, slash: Slash, symbol: str, decimals: int) -> None:
        scale = 10**decimals
        self.say(
            f"slashed {slash.slashed / scale:,.0f} {symbol}: {slash.reward / scale:,.0f} to the "
            f"challenger, {slash.burned / scale:,.0f} burned"
        )

    def balances(self, balances: Sequence[Balance]) -> None:
        table = Table(title="Balances", title_justify="left")
        for name in ("who", "what", "before", "after", "change"):
            table.add_column(name, justify="left" if name in ("who", "what") else "right")
        for item in balances:
            change = item.after - item.before
            table.add_row(
                item.party,
                f"{item.what} ({item.unit})",
                _amount(item.before, item.decimals),
                _amount(item.after, item.decimals),
                Text(_amount(change, item.decimals, sign=True), style=_colour(change)),
            )
        self._console.print(table)


def _recomputation(element: Recomputation) -> Panel:
    verdicts = {True: "follows from the opened inputs", False: "does not follow from them"}
    text = (
        f"opcode      {element.opcode} (step {element.step}, {element.step_name})\n"
        f"place       row {element.row}, column {element.column} ({element.what})\n"
        f"claimed     {element.claimed}: {verdicts[element.claimed_holds]}\n"
        f"recomputed  {element.recomputed}: {verdicts[element.recomputed_holds]}"
    )
    return Panel(text, title="recomputed on chain", title_align="left", expand=False)


def _amount(value: int, decimals: int, sign: bool = False) -> str:
    places = 6 if decimals == 6 else 2
    return f"{value / 10**decimals:{'+' if sign else ''},.{places}f}"


def _colour(change: int) -> str:
    return "green" if change > 0 else "red" if change < 0 else "dim"
