"""Where a command's account comes from: the settings' keystore here, Ape's accounts in `ape`."""

from __future__ import annotations

from typing import Protocol

from assay.chain.anvil import dev_account
from assay.chain.deployment import Deployment
from assay.chain.keys import address_of, load_account
from assay.chain.network import Network
from assay.chain.node import connect
from assay.chain.sender import Sender, SendPolicy
from assay.core.errors import InputError
from assay.core.settings import LOCAL_CHAIN_ID, ChainSettings, load_settings
from assay.wallet.account import NOBODY, Wallet


class Front(Protocol):
    """Opens the wallet of the account that a command is for."""

    def open(self, needs_account: bool, sends: bool) -> Wallet:
        """Without `sends` no key is opened; without `needs_account` there may be no account."""
        ...


class KeystoreFront:
    """The keystore, node and deployment of the settings (ASSAY_…)."""

    def open(self, needs_account: bool, sends: bool) -> Wallet:
        settings = load_settings(ChainSettings)
        web3 = connect(settings.rpc_url, settings.rpc_timeout_seconds)
        deployment = Deployment.load(settings.deployment)
        deployment.verify(web3)
        local = settings.keystore is None and deployment.chain_id == LOCAL_CHAIN_ID
        folder = settings.deployment
        if sends:
            account = dev_account() if local else load_account(settings)
            sender = Sender(web3, account, SendPolicy.of(settings))
            return Wallet(Network(web3, deployment, sender), sender.address, folder)
        return Wallet(Network(web3, deployment), self._name(settings, local, needs_account), folder)

    @staticmethod
    def _name(settings: ChainSettings, local: bool, needed: bool) -> str:
        """Whose wallet it is, without a password."""
        if settings.keystore is not None:
            return address_of(settings)
        if local:
            return str(dev_account().address)
        if needed:
            raise InputError(
                "there is no account: set ASSAY_KEYSTORE (a keystore's path), or name an address "
                "where the command takes one",
                code="no_account",
            )
        return NOBODY
