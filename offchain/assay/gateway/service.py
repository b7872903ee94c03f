"""The gateway as a process: a consumer's key, its tokenizers, and an HTTP endpoint. No model."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path

from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.core import logs
from assay.core.database import open_database, sqlite_url
from assay.core.errors import ConfigError
from assay.core.service import HttpEndpoint, Loop, Service, run_service
from assay.core.settings import GatewaySettings
from assay.engine.chat import ChatTemplate, tokenizer_hash
from assay.engine.tokenizer import Tokenizer
from assay.gateway.accounts.accounts import Accounts
from assay.gateway.accounts.books import Books
from assay.gateway.accounts.channels import Channels
from assay.gateway.accounts.collector import Collector
from assay.gateway.accounts.keys import Keys
from assay.gateway.accounts.limits import Rates
from assay.gateway.accounts.payments import Payments
from assay.gateway.accounts.sign_in import SignIn
from assay.gateway.accounts.usage import Usage
from assay.gateway.app import make_app
from assay.gateway.batches.book import Book
from assay.gateway.batches.executor import Executor
from assay.gateway.batches.files import Files
from assay.gateway.batches.routes import Bulk
from assay.gateway.batches.runner import Runner
from assay.gateway.chain_time import ChainTime
from assay.gateway.client import Client, Timeouts
from assay.gateway.desk import Desk
from assay.gateway.jobs import JobSigner
from assay.gateway.leases import Leases
from assay.gateway.measures import Load
from assay.gateway.prompts import Prompts
from assay.gateway.responses.store import Responses
from assay.gateway.routing.catalogue import Catalogue
from assay.gateway.routing.router import Router
from assay.gateway.routing.standing import StandingReader
from assay.gateway.store import Store
from assay.gateway.tables import REVISIONS
from assay.gateway.writer import Writer

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
        check_access(settings)
        self._folders = _checkpoints(settings.model_path or SHIPPED_MODEL, settings.encoder_path)
        self._account = load_account(settings)
        self._network = Network.connect(settings, self._account)
        self._chain_time = ChainTime(self._network)
        self._engine = open_database(database_url(settings), REVISIONS)
        self._writer = Writer(self._engine)
        self._leases = Leases(self._writer)
        self._channels = Channels(
            self._network, self._account, self._engine, self._writer, self._chain_time
        )
        self._store = Store(
            self._engine, self._writer, books(settings), self._channels, self._chain_time
        )
        self._payments = self._payable()
        consumer = str(self._account.address)
        logs.event("ready", consumer=consumer, providers=len(settings.provider_urls))

    def loops(self) -> Sequence[Loop]:
        settings = self._settings
        collector = Collector(
            network=self._network,
            channels=self._channels,
            engine=self._engine,
            writer=self._writer,
            chain_time=self._chain_time,
            leases=self._leases,
            threshold=settings.collect_threshold,
            margin=settings.collect_margin_seconds,
        )
        loops = [
            Loop("chain time", min(settings.poll_seconds, 1.0), self._chain_time.read),
            Loop("collector", settings.collect_seconds, collector.turn),
        ]
        if self._payments is not None:
            loops.append(Loop("payments", settings.collect_seconds, self._payments.turn))
        return loops

    def http(self) -> HttpEndpoint:
        settings, desk = self._settings, self._desk()
        kept = Responses(self._engine, self._writer)
        app = make_app(desk, self._accounts(), self._bulk(desk), kept)
        load = Load(app, settings.max_requests)
        return HttpEndpoint(load, settings.host, settings.port, settings.tls())

    def _desk(self) -> Desk:
        settings = self._settings
        trusted = None if settings.private_providers else settings.provider_urls
        return Desk(
            network=self._network,
            signer=JobSigner(
                account=self._account,
                chain_id=self._network.chain_id,
                settlement=self._network.settlement.address,
                job_seconds=settings.job_seconds,
                default_max_tokens=settings.default_max_tokens,
            ),
            prompts=Prompts(_tokenizers(self._folders), _templates(self._folders)),
            store=self._store,
            chain_time=self._chain_time,
            router=Router(
                Catalogue(
                    settings.max_price_input,
                    settings.max_price_output,
                    own=frozenset(settings.provider_urls),
                ),
                StandingReader(self._network),
            ),
            client=Client(_timeouts(settings), trusted),
            urls=settings.provider_urls,
            attempts=settings.attempts,
        )

    def _bulk(self, desk: Desk) -> Bulk:
        """Files and batches; the name that leases are held under is new with every start."""
        files = Files(self._engine, self._writer)
        book = Book(self._engine, self._writer, holder=secrets.token_hex(8))
        runner = Runner(book, files, Executor(desk, book), self._settings.batch_lines)
        return Bulk(files, book, runner)

    def _accounts(self) -> Accounts:
        settings, network = self._settings, self._network
        return Accounts(
            access=settings.access,
            network=network,
            chain_time=self._chain_time,
            keys=Keys(self._engine, self._writer, time.time),
            sign_in=SignIn(network, self._account, public_url(settings), self._writer, time.time),
            channels=self._channels,
            usage=Usage(self._engine, self._channels, self._chain_time),
            store=self._store,
            payments=self._payments,
        )

    def _payable(self) -> Payments | None:
        if not self._settings.x402_minimum:
            return None
        return Payments(
            network=self._network,
            url=public_url(self._settings),
            payee=self._channels.payee,
            engine=self._engine,
            writer=self._writer,
            leases=self._leases,
            chain_time=self._chain_time,
            minimum=self._settings.x402_minimum,
            domain=self._network.usdc.domain(),
        )

    def stop(self) -> None:
        self._writer.close()
        self._engine.dispose()


def check_access(settings: GatewaySettings) -> None:
    """Open access spends the gateway's own money: `ConfigError` unless only this machine has it."""
    if settings.access == "open" and not _loopback(settings.host):
        raise ConfigError(
            f"open access at {settings.host}: anybody could spend this gateway's money; set "
            "ASSAY_ACCESS=keys, or ASSAY_HOST to a loopback address"
        )


def public_url(settings: GatewaySettings) -> str:
    """Where others reach the gateway, without a slash at the end."""
    return (settings.public_url or f"{settings.scheme}://{settings.host}:{settings.port}").rstrip(
        "/"
    )


def _loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def books(settings: GatewaySettings) -> Books:
    """The rules of admission; with open access nobody is counted by address."""
    per_address = settings.address_requests_per_minute if settings.access == "keys" else 0
    return Books(
        Rates(settings.requests_per_minute or None, settings.tokens_per_minute or None),
        per_address or None,
    )


def database_url(settings: GatewaySettings) -> str:
    """The settings' database; without one, a file of the data folder."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return sqlite_url(settings.data_dir / "gateway.db")


def _checkpoints(*folders: Path | None) -> dict[bytes, Path]:
    """Checkpoint folders by the hash of tokenizer and template that models' headers name."""
    return {tokenizer_hash(folder): folder for folder in folders if folder is not None}


def _tokenizers(folders: Mapping[bytes, Path]) -> dict[bytes, Tokenizer]:
    return {key: Tokenizer.of_checkpoint(path) for key, path in folders.items()}


def _timeouts(settings: GatewaySettings) -> Timeouts:
    return Timeouts(
        connect=settings.connect_seconds,
        first_token=settings.first_token_seconds,
        token=settings.token_seconds,
        total=settings.answer_seconds,
    )


def _templates(folders: Mapping[bytes, Path]) -> dict[bytes, ChatTemplate]:
    found = {key: ChatTemplate.of_checkpoint(path) for key, path in folders.items()}
    return {key: template for key, template in found.items() if template is not None}
