"""The wallet's commands for `ape run wallet`: Ape's accounts sign, on the network it is on.

Only the files in scripts/wallet import this module; it needs Ape.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
from ape.cli import ConnectedProviderCommand, account_option
from ape.logging import LogLevel, logger

from assay.chain.ape_account import ape_signer, ape_web3
from assay.chain.deployment import Deployment
from assay.chain.launch import folder_for
from assay.chain.network import Network
from assay.chain.sender import Sender, SendPolicy
from assay.core.settings import ChainSettings, load_settings
from assay.wallet.account import NOBODY, Wallet
from assay.wallet.commands import ENTRIES, Entry, build, governance_group
from assay.wallet.front import Front
from assay.wallet.run import Mode


@dataclass(frozen=True)
class ApeFront:
    """An account of Ape's (None where only the chain is read) and a deployment's folder."""

    account: Any
    deployment: Path | None
    automatically: bool

    def open(self, needs_account: bool, sends: bool) -> Wallet:
        web3 = ape_web3()
        folder = self.deployment or _folder(web3.eth.chain_id)
        deployment = Deployment.load(folder)
        deployment.verify(web3)
        if not sends:
            address = str(self.account.address) if self.account else NOBODY
            return Wallet(Network(web3, deployment), address, folder)
        signer = ape_signer(self.account, self.automatically)
        sender = Sender(web3, signer, self._policy())
        return Wallet(Network(web3, deployment, sender), sender.address, folder)

    def _policy(self) -> SendPolicy:
        """A higher bid needs a signature: where somebody is asked for it, there is none."""
        policy = SendPolicy.of(load_settings(ChainSettings))
        return policy if self.automatically else replace(policy, replace_after_seconds=1e9)


class ApeCommand(ConnectedProviderCommand):
    """A command within Ape's connection. Ape logs on stdout, where a document must be alone."""

    def invoke(self, ctx: click.Context) -> Any:
        if ctx.params.get("json"):
            logger.set_level(LogLevel.ERROR)
        return super().invoke(ctx)


def command(name: str) -> click.Command:
    """The command or group of that name, as `ape run` takes it."""
    if name == "governance":
        return governance_group(_ape_command)
    return _ape_command(next(entry for entry in ENTRIES if entry.name == name))


def _ape_command(entry: Entry) -> click.Command:
    deployment = click.Option(
        ["--deployment"],
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder; default: ASSAY_DEPLOYMENT, else deployments/ by the chain.",
    )
    account = _option(account_option(prompt=entry.needs_account and "Select an account"))
    return build(entry, _front, (account, deployment), ApeCommand)


def _front(values: dict[str, Any], mode: Mode) -> Front:
    return ApeFront(values.pop("account"), values.pop("deployment"), mode.yes)


def _folder(chain_id: int) -> Path:
    given = os.environ.get("ASSAY_DEPLOYMENT")
    return Path(given) if given else folder_for(chain_id)


def _option(decorator: Any) -> click.Parameter:
    """The option that one of Ape's decorators would add."""

    def holder() -> None: ...

    decorated = decorator(holder)
    return decorated.__click_params__[0]  # type: ignore[no-any-return]
