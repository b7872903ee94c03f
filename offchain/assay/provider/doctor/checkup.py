"""A checkup: named looks at one provider, in order, each with a verdict.

A look that raises one of our errors has failed, with the error's words; a look whose premise has
failed is skipped, so that one cause is told once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from eth_account.signers.local import LocalAccount

from assay.chain.deployment import Deployment
from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.chain.node import connect
from assay.core.errors import AssayError
from assay.core.settings import ProviderSettings
from assay.provider.home import Home
from assay.provider.records import Records
from assay.provider.shops import Imported, import_models


class Verdict(StrEnum):
    """`fail`: the provider cannot serve, or would lose by serving; `skip`: not looked at."""

    ok = "pass"
    warn = "warn"
    fail = "fail"
    skip = "skip"


@dataclass(frozen=True)
class Finding:
    """What a look found, and what to do about it where something is wrong."""

    verdict: Verdict
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """A look's name with its finding."""

    name: str
    verdict: Verdict
    found: str
    remedy: str


class Subject:
    """The provider of some settings; each part is opened when a look first asks for it."""

    def __init__(self, settings: ProviderSettings) -> None:
        self.settings = settings
        self.home = Home(settings.data_dir)
        self.records = Records(self.home.journal)

    @cached_property
    def web3(self) -> Any:
        return connect(self.settings.rpc_url, self.settings.rpc_timeout_seconds)

    @cached_property
    def deployment(self) -> Deployment:
        return Deployment.load(self.settings.deployment)

    @cached_property
    def account(self) -> LocalAccount:
        return load_account(self.settings)

    @cached_property
    def address(self) -> str:
        return str(self.account.address)

    @cached_property
    def network(self) -> Network:
        """To read only."""
        return Network(self.web3, self.deployment)

    @cached_property
    def models(self) -> list[Imported]:
        return import_models(self.settings)

    @property
    def process(self) -> int | None:
        """The id of the process that serves from these settings' folder, if one does."""
        return self.home.process()


@dataclass(frozen=True)
class Look:
    """One thing to look at; `needs` names looks that must not have failed."""

    name: str
    needs: tuple[str, ...]
    at: Callable[[Subject], Finding]


def examine(subject: Subject, looks: Sequence[Look]) -> Iterator[Check]:
    """A check for each look, as soon as it is known."""
    failed: set[str] = set()
    for look in looks:
        finding = _finding(subject, look, failed)
        if finding.verdict in (Verdict.fail, Verdict.skip):
            failed.add(look.name)
        yield Check(look.name, finding.verdict, finding.found, finding.remedy)


def _finding(subject: Subject, look: Look, failed: set[str]) -> Finding:
    premise = next((name for name in look.needs if name in failed), None)
    if premise is not None:
        return Finding(Verdict.skip, f"not looked at: {premise} comes first")
    try:
        return look.at(subject)
    except AssayError as error:
        # Our messages end in their remedy: "value and limit; remedy".
        found, _, remedy = error.message.rpartition("; ")
        return Finding(Verdict.fail, found or remedy, remedy if found else "")


def passes(checks: Sequence[Check]) -> bool:
    return all(check.verdict is not Verdict.fail for check in checks)


def ok(found: str) -> Finding:
    return Finding(Verdict.ok, found)


def warn(found: str, remedy: str) -> Finding:
    return Finding(Verdict.warn, found, remedy)


def fail(found: str, remedy: str) -> Finding:
    return Finding(Verdict.fail, found, remedy)
