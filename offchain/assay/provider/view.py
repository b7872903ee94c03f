"""A provider seen from outside its process: its files, its account on chain, what it answers.

Opens no key: whose provider it is stands in the keystore's file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx

from assay.chain.deployment import Deployment
from assay.chain.keys import address_of
from assay.chain.network import Network
from assay.chain.node import connect
from assay.core.settings import ProviderSettings
from assay.provider.home import Home
from assay.provider.records import Records

HEALTH_SECONDS = 3.0


@dataclass(frozen=True)
class View:
    """`network` is to read only."""

    settings: ProviderSettings
    network: Network
    address: str
    home: Home
    records: Records

    @classmethod
    def of(cls, settings: ProviderSettings) -> View:
        web3 = connect(settings.rpc_url, settings.rpc_timeout_seconds)
        deployment = Deployment.load(settings.deployment)
        deployment.verify(web3)
        network = Network(web3, deployment, reorg_depth=settings.reorg_depth)
        home = Home(settings.data_dir)
        return cls(settings, network, address_of(settings), home, Records(home.journal))

    def health(self) -> dict[str, Any] | None:
        """What the running provider says of itself; None if none answers, or another one does."""
        host = self.settings.host
        where = "127.0.0.1" if host in ("0.0.0.0", "::") else host
        try:
            url = f"{self.settings.scheme}://{where}:{self.settings.port}/health"
            # On this machine: certificates, which take long to load, are not asked.
            answer = httpx.get(url, timeout=HEALTH_SECONDS, verify=False).json()
        except (httpx.HTTPError, ValueError):
            return None
        ours = isinstance(answer, dict) and answer.get("address") == self.address
        return answer if ours else None

    def names(self) -> dict[str, str]:
        """Model names by their roots, 0x-hex, as far as the running provider tells them."""
        health = self.health()
        return {model["root"]: model["id"] for model in health["models"]} if health else {}
