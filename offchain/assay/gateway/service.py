"""The gateway as a process: a consumer's key, its tokenizer, and an HTTP endpoint. No model."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.core import logs
from assay.core.errors import ConfigError
from assay.core.service import HttpEndpoint, Loop, Service, run_service
from assay.core.settings import GatewaySettings
from assay.engine.tokenizer import Tokenizer
from assay.gateway.app import make_app
from assay.gateway.desk import Desk
from assay.gateway.jobs import JobSigner
from assay.gateway.routing import Catalogue
from assay.gateway.store import Store

SHIPPED_MODEL = Path(__file__).parents[1] / "models" / "pydoc-4m"


def run(settings: GatewaySettings) -> None:
    """Serve until SIGTERM."""
    logs.configure("gateway", settings.log_format)
    run_service(GatewayService(settings))


class GatewayService(Service):
    name = "gateway"

    def __init__(self, settings: GatewaySettings) -> None:
        super().__init__()
        self._settings = settings

    def setup(self) -> None:
        settings = self._settings
        if not settings.provider_urls:
            raise ConfigError("no provider: set ASSAY_PROVIDER_URLS to at least one URL")
        account = load_account(settings)
        network = Network.connect(settings, account)
        folder = settings.model_path or SHIPPED_MODEL
        self._store = Store(settings.data_dir / "gateway.sqlite")
        self._desk = Desk(
            network=network,
            signer=JobSigner(
                account=account,
                chain_id=network.chain_id,
                settlement=network.settlement.address,
                job_seconds=settings.job_seconds,
                default_max_tokens=settings.default_max_tokens,
            ),
            tokenizer=Tokenizer.of_checkpoint(folder),
            tokenizer_hash=sha256((folder / "tokenizer.json").read_bytes()).digest(),
            store=self._store,
            catalogue=Catalogue(settings.max_price_input, settings.max_price_output),
            urls=settings.provider_urls,
        )
        logs.event("ready", consumer=str(account.address), providers=len(settings.provider_urls))

    def loops(self) -> Sequence[Loop]:
        return ()

    def http(self) -> HttpEndpoint:
        return HttpEndpoint(make_app(self._desk), self._settings.host, self._settings.port)

    def stop(self) -> None:
        self._store.close()
