"""Configuration of the services: environment (prefix `ASSAY_`) over a TOML file over defaults.

The file is named by `ASSAY_CONFIG`; a key there is a field name below. Nothing here opens a
key or a connection. Secrets have no default: a keystore and its password must be given.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from assay.core.errors import ConfigError

LOCAL_CHAIN_ID = 31337  # Anvil's default: the only chain on which a cheating provider may run
DEFAULT_RPC = "http://127.0.0.1:8545"
DEFAULT_DEPLOYMENT = Path("deployments/anvil")


class ChainSettings(BaseSettings):
    """What any command that talks to the chain needs.

    rpc_url               HTTP endpoint of a node
    deployment            folder that `assay deploy` wrote: deployments/<network>
    keystore              eth-account JSON keystore of the account that signs and pays
    password_file         file with the keystore's password (first line), or
    password              the password itself (environment only; prefer the file)
    rpc_timeout_seconds   limit of one RPC call
    receipt_timeout_seconds  how long a transaction may stay unmined, replacements included
    replace_after_seconds a transaction unmined for so long is sent again with a higher fee
    max_fee_gwei          no transaction bids more than this per gas
    reorg_depth           blocks that the event reader reads again at every poll; after a deeper
                          reorganisation it begins anew
    """

    model_config = SettingsConfigDict(env_prefix="ASSAY_", extra="ignore", frozen=True)

    rpc_url: str = DEFAULT_RPC
    deployment: Path = DEFAULT_DEPLOYMENT
    keystore: Path | None = None
    password_file: Path | None = None
    password: SecretStr | None = None
    rpc_timeout_seconds: float = Field(default=10.0, gt=0)
    receipt_timeout_seconds: float = Field(default=120.0, gt=0)
    replace_after_seconds: float = Field(default=20.0, gt=0)
    max_fee_gwei: float = Field(default=500.0, gt=0)
    reorg_depth: int = Field(default=64, ge=0)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over the TOML file that ASSAY_CONFIG names."""
        sources = (init_settings, env_settings)
        path = os.environ.get("ASSAY_CONFIG")
        if not path:
            return sources
        if not Path(path).is_file():
            raise ConfigError(f"ASSAY_CONFIG names {path}, which is not a file; fix or unset it")
        return (*sources, TomlConfigSettingsSource(settings_cls, toml_file=Path(path)))

    def keystore_password(self) -> str:
        """The password of the keystore, from the file or the environment."""
        if self.password_file is not None:
            try:
                return self.password_file.read_text().split("\n", 1)[0]
            except OSError as error:
                raise ConfigError(
                    f"cannot read the password file {self.password_file}: {error.strerror}; "
                    "set ASSAY_PASSWORD_FILE to a readable file"
                ) from error
        if self.password is not None:
            return self.password.get_secret_value()
        raise ConfigError(
            "no keystore password: set ASSAY_PASSWORD_FILE (or ASSAY_PASSWORD) for "
            f"the keystore {self.keystore}"
        )


class ProcessSettings(ChainSettings):
    """What every long-running process adds.

    data_dir      where it keeps its journal or database (created if missing)
    poll_seconds  pause between two looks at the chain
    log_format    "text" for people, "json" for one object a line
    tls_certificate, tls_key  PEM files: with both, its HTTP interface speaks HTTPS. Whom it asks by
                  https:// it knows by the system's authorities, or those of SSL_CERT_FILE
    """

    data_dir: Path = Path(".assay")
    poll_seconds: float = Field(default=1.0, gt=0)
    log_format: Literal["text", "json"] = "text"
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    @property
    def scheme(self) -> str:
        """Of its URLs."""
        return "http" if self.tls() is None else "https"

    def tls(self) -> tuple[Path, Path] | None:
        """Certificate and key; None: plain HTTP."""
        if self.tls_certificate is not None and self.tls_key is not None:
            return self.tls_certificate, self.tls_key
        if self.tls_certificate is None and self.tls_key is None:
            return None
        missing = "ASSAY_TLS_KEY" if self.tls_key is None else "ASSAY_TLS_CERTIFICATE"
        raise ConfigError(f"TLS needs certificate and key: set {missing}, too, or neither")


class ServiceSettings(ProcessSettings):
    """What the services about a model add.

    model_path    Hugging Face checkpoint folder, a decoder's or a sentence encoder's; None is the
                  model shipped with the package
    encoder_path  a sentence encoder's folder, besides: a provider serves both models, a challenger
                  checks both, a gateway needs its tokenizer to sell embeddings
    threads       compute threads; None leaves the choice to torch
    pin_threads   keep each compute thread on one processor (native backend): faster where other
                  programs compete for them, slower where two services share the same ones
    backend       "triton" (a GPU), "native" (C++), "torch", or "auto" for the GPU where there is
                  one, or else native wherever it can be built
    alert_seconds a deadline of ours in a game that is nearer is logged (`deadline_near`)
    token_wei     what one ASSAY is worth in wei: bounds what moves of a game may cost once half of
                  the clock is over; None: max_fee_gwei bounds them, too
    """

    model_path: Path | None = None
    encoder_path: Path | None = None
    threads: int | None = Field(default=None, ge=1)
    pin_threads: bool = False
    backend: Literal["auto", "triton", "native", "torch"] = "auto"
    alert_seconds: float = Field(default=3_600.0, ge=0)
    token_wei: int | None = Field(default=None, ge=0)


UrlList = Annotated[list[str], NoDecode]


def split_urls(value: object) -> object:
    """Accept "http://a,http://b" as well as a JSON list; drop trailing slashes."""
    if isinstance(value, str):
        text = value.strip()
        value = json.loads(text) if text.startswith("[") else text.split(",")
    if isinstance(value, list):
        return [str(url).strip().rstrip("/") for url in value if str(url).strip()]
    return value


class ModelSettings(BaseModel):
    """One of several models that a provider serves; None takes the provider's own value.

    path                the checkpoint's folder
    draft_path          of this model alone; the provider's own holds only where `models` is empty
    others              as of `ProviderSettings`
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    draft_path: Path | None = None
    max_running: int | None = Field(default=None, ge=1)
    max_waiting: int | None = Field(default=None, ge=0)
    cache_positions: int | None = Field(default=None, ge=1)
    price_input: int | None = Field(default=None, ge=0)
    price_output: int | None = Field(default=None, ge=0)
    batch_discount_bps: int | None = Field(default=None, ge=0, le=10_000)


class ProviderSettings(ServiceSettings):
    """The provider worker.

    models              what it serves, instead of model_path and encoder_path: a list of
                        `ModelSettings`, each with a queue, a batch and prices of its own
    host, port          where its HTTP interface listens
    public_url          the address that others reach it by; None: http://host:port
    batch_seconds       a batch is posted at most so long after its first receipt
    batch_size          … or as soon as it holds so many receipts
    max_running         requests decoded at once
    max_waiting         requests queued beyond that; more are answered 503
    cache_positions     tokens that all running requests may have in memory together; None: a full
                        context each, as far as half of the free memory goes
    draft_path          checkpoint folder of a small model that guesses tokens ahead; it must have
                        the tokenizer, chat template included, and the context of the large one.
                        Changes no token; pays where weights do not fit the processor's cache
    draft_guesses       tokens that it guesses at a time
    price_input/_output micro-USD per million tokens, the least it accepts; an embedding costs
                        its prompt's tokens only. `assay provider price` changes them while it runs
    batch_discount_bps  part of the price that lines of batches are spared, in 1/10,000: they run
                        where there is room, behind the others
    engine_process      whether each decoder computes in a process of its own: faster under load,
                        and the provider outlives it; takes memory for the integers once more
    fleet               a Ray cluster's address, or "local": decoders run on its machines, each of
                        which has the checkpoints at the same paths; None: on this one
    fleet_least/_most   workers of each model, by the number of its jobs; each decodes max_running
                        at once
    fleet_idle_seconds  one that has had no job for so long leaves
    fleet_processors    of each worker, as Ray counts them; fleet_gpus likewise
    offer_seconds       an announced price holds at least so long after it was last announced
    cheat               JSON of a deliberate lie for demonstrations and tests, for example
                        {"kind": "wrong_token", "index": 3}; refused off the local chain
    """

    models: list[ModelSettings] = []
    host: str = "127.0.0.1"
    port: int = Field(default=8101, ge=0, le=65535)
    public_url: str | None = None
    batch_seconds: float = Field(default=5.0, ge=0)
    batch_size: int = Field(default=256, ge=1)
    max_running: int = Field(default=8, ge=1)
    max_waiting: int = Field(default=64, ge=0)
    cache_positions: int | None = Field(default=None, ge=1)
    draft_path: Path | None = None
    draft_guesses: int = Field(default=4, ge=1, le=16)
    price_input: int = Field(default=50_000, ge=0)
    price_output: int = Field(default=200_000, ge=0)
    batch_discount_bps: int = Field(default=5_000, ge=0, le=10_000)
    engine_process: bool = True
    fleet: str | None = None
    fleet_least: int = Field(default=1, ge=0)
    fleet_most: int = Field(default=8, ge=1)
    fleet_idle_seconds: float = Field(default=60.0, ge=0)
    fleet_processors: float = Field(default=1.0, ge=0)
    fleet_gpus: float = Field(default=0.0, ge=0)
    offer_seconds: int = Field(default=60, ge=0)
    cheat: str | None = None

    def cheat_description(self, chain_id: int) -> dict[str, Any] | None:
        """The lie to tell, or None; refuses one on any chain but a local Anvil."""
        if self.cheat is None:
            return None
        if chain_id != LOCAL_CHAIN_ID:
            raise ConfigError(
                f"ASSAY_CHEAT is set but the chain id is {chain_id}: a cheating provider runs "
                f"only on a local Anvil (chain id {LOCAL_CHAIN_ID}); unset ASSAY_CHEAT"
            )
        try:
            description = json.loads(self.cheat)
        except ValueError as error:
            raise ConfigError(f"ASSAY_CHEAT is not JSON: {self.cheat!r} ({error})") from error
        if not isinstance(description, dict) or "kind" not in description:
            raise ConfigError(f'ASSAY_CHEAT must be an object with "kind", got {self.cheat!r}')
        return description


class ChallengerSettings(ServiceSettings):
    """The challenger.

    host, port      where GET /metrics answers
    provider_urls   providers whose batches it fetches and recomputes
    start_block     first block that it reads; None: the block of the deployment
    head_seconds    it opens no game while the node's newest block is older; None: 120 seconds,
                    and any age on a local chain, which stands still while nobody sends
    hold_fire       open no game while the provider could still take the claim back for a fee
    check_all       recompute every claim of every batch; false: canaries only
    canary_url      a gateway at which it buys answers, unknown to their providers, to check them
                    (without /v1); None: it buys none
    canary_key      its API key there (environment only), if the gateway asks for one
    canary_prompts  text file with the prompts to choose from, one a line
    canary_seconds  mean pause between two purchases; the pauses are random
    canary_budget   micro-USD that it spends on them in 24 hours, at most; the first one of a day
                    may cost more
    canary_tokens   most output tokens of one
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8102, ge=0, le=65535)
    head_seconds: float | None = Field(default=None, gt=0)
    provider_urls: UrlList = []
    start_block: int | None = Field(default=None, ge=0)
    hold_fire: bool = True
    check_all: bool = True
    canary_url: str | None = None
    canary_key: SecretStr | None = None
    canary_prompts: Path | None = None
    canary_seconds: float = Field(default=3_600.0, gt=0)
    canary_budget: int = Field(default=1_000_000, ge=1)
    canary_tokens: int = Field(default=64, ge=1)

    _split = field_validator("provider_urls", mode="before")(split_urls)


class AuditorSettings(ChallengerSettings):
    """The auditor: a challenger that sits in seats, and is paid for what it is drawn for.

    patience_seconds  how long it asks a provider for data before it demands them on chain
    """

    port: int = Field(default=8105, ge=0, le=65535)
    patience_seconds: float = Field(default=60.0, ge=0)


class AccountSettings(ServiceSettings):
    """Whom a gateway serves, and who pays. Amounts in micro-USD.

    access                  "keys": every job needs an API key, whose owner pays. "open": callers
                            without one are served at the cost of the gateway's own account; only
                            on a loopback address
    requests_per_minute     of one key; 0: no limit
    tokens_per_minute       of one key, prompt and the most that may be answered; 0: no limit
    address_requests_per_minute  of one network address without a key, sign-ins included;
                            0: no limit, and none with open access
    max_requests            under way at once in one process; more are answered 503
    x402_minimum            the least that a payment by x402 brings; it has to be worth the gas that
                            the gateway spends on it; 0: none is taken
    collect_threshold       of one channel, that are worth a voucher's gas before the day ends
    collect_margin_seconds  before a day's end all that was metered is collected
    collect_seconds         pause between two looks at what is to be collected
    """

    access: Literal["open", "keys"] = "open"
    requests_per_minute: int = Field(default=6_000, ge=0)
    tokens_per_minute: int = Field(default=10_000_000, ge=0)
    address_requests_per_minute: int = Field(default=600, ge=0)
    max_requests: int = Field(default=1_024, ge=1)
    x402_minimum: int = Field(default=100_000, ge=0)
    collect_threshold: int = Field(default=5_000_000, ge=1)
    collect_margin_seconds: int = Field(default=3_600, ge=0, le=86_400)
    collect_seconds: float = Field(default=15.0, gt=0)


class GatewaySettings(AccountSettings):
    """The HTTP endpoint; its keystore is the consumer that signs jobs and pays.

    host, port              where it listens
    public_url              the address that others reach it by; None: http://host:port. Wallets
                            show its host when they sign in
    provider_urls           providers that it may route to
    max_price_input/_output micro-USD per million tokens, the most that it agrees to
    job_seconds             deadline of a job from its signature on
    default_max_tokens      output limit when the request gives none
    connect_seconds         to reach a provider
    first_token_seconds     from sending a job on; a provider that is slower is left for another
    token_seconds           between two tokens
    answer_seconds          for a whole answer
    attempts                providers that are tried for one job
    batch_lines             lines of batches that are under way together
    private_providers       ask providers that the chain names also at addresses that are not
                            public; for local chains
    database_url            sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/NAME, which several
                            gateways may share; None: the file gateway.db in data_dir
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8100, ge=0, le=65535)
    public_url: str | None = None
    provider_urls: UrlList = []
    max_price_input: int = Field(default=1_000_000, ge=0)
    max_price_output: int = Field(default=1_000_000, ge=0)
    job_seconds: int = Field(default=600, ge=1)
    default_max_tokens: int = Field(default=64, ge=1)
    connect_seconds: float = Field(default=5.0, gt=0)
    first_token_seconds: float = Field(default=30.0, gt=0)
    token_seconds: float = Field(default=30.0, gt=0)
    answer_seconds: float = Field(default=600.0, gt=0)
    attempts: int = Field(default=3, ge=1)
    batch_lines: int = Field(default=16, ge=1)
    private_providers: bool = False
    database_url: SecretStr | None = None

    _split = field_validator("provider_urls", mode="before")(split_urls)


class KeeperSettings(ProcessSettings):
    """The keeper; its keystore pays for gas and gets what fills leave.

    host, port             where GET /metrics answers
    jobs                   which jobs it runs (`assay keeper jobs` lists them); none: all
    interval_seconds       pause between two runs of a job …
    jitter_seconds         … more or less so much, by chance, so that keepers do not run in step
    grace_seconds          how long whoever is concerned may act first, once a claim can be paid or
                           a game's clock is out
    max_fee_gwei           nothing is sent while gas costs more
    max_transactions       most transactions of one run of a job
    provider_urls          providers whose claims' data it may fetch, to have them paid
    least_sweep_usd_micro  fees below that stay where they are
    least_profit           least ASSAY (10**-18) that filling an auction must leave
    slippage_bps           part of a fill's profit that may be lost between rehearsal and block
    token_wei              what one ASSAY is worth in wei: a fill must leave what its gas costs;
                           None: `least_profit` alone decides
    start_block            first block that it reads; None: the block of the deployment
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8103, ge=0, le=65535)
    jobs: UrlList = []
    interval_seconds: float = Field(default=30.0, gt=0)
    jitter_seconds: float = Field(default=10.0, ge=0)
    grace_seconds: float = Field(default=120.0, ge=0)
    max_fee_gwei: float = Field(default=50.0, gt=0)
    max_transactions: int = Field(default=32, ge=1)
    provider_urls: UrlList = []
    least_sweep_usd_micro: int = Field(default=10_000_000, ge=1)
    least_profit: int = Field(default=10**18, ge=1)
    slippage_bps: int = Field(default=50, ge=0, le=10_000)
    token_wei: int | None = Field(default=None, ge=1)
    start_block: int | None = Field(default=None, ge=0)

    _split = field_validator("jobs", "provider_urls", mode="before")(split_urls)


class IndexerSettings(ProcessSettings):
    """The indexer. It signs nothing: a keystore is ignored.

    host, port        where its read API listens
    database_url      sqlite:///PATH, or postgresql://USER:PASSWORD@HOST/NAME, which several
                      indexers may share; None: the file index.db in data_dir
    start_block       first block that it reads; None: the block of the deployment
    blocks_per_call   most blocks of one eth_getLogs; a range that the node refuses is halved
    calls_per_second  most calls of the node in a second; 0: as many as it answers
    cache_seconds     how long a cache may keep an answer of the read API without asking again
    cors_origins      web pages of which origins may use the read API; "*": any
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8104, ge=0, le=65535)
    database_url: SecretStr | None = None
    start_block: int | None = Field(default=None, ge=0)
    blocks_per_call: int = Field(default=2_000, ge=1)
    calls_per_second: float = Field(default=20.0, ge=0)
    cache_seconds: int = Field(default=1, ge=0)
    cors_origins: UrlList = []

    _split = field_validator("cors_origins", mode="before")(split_urls)

    def url(self) -> str:
        """The database's."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / 'index.db'}"


class BooksSettings(ChainSettings):
    """`assay audit-books`: which books to lay beside each other, and the chain.

    gateway_database_url  the gateway's; it is read only
    index_database_url    the indexer's
    """

    gateway_database_url: SecretStr
    index_database_url: SecretStr


S = TypeVar("S", bound=BaseSettings)


def load_settings(kind: type[S], **overrides: object) -> S:
    """Build settings, turning pydantic's report into one `ConfigError` a person can act on.

    `overrides` (command-line options) win; None means "not given".
    """
    given: dict[str, Any] = {name: value for name, value in overrides.items() if value is not None}
    try:
        return kind(**given)
    except ValidationError as error:
        lines = [
            f"ASSAY_{'_'.join(str(part) for part in item['loc']).upper()}: {item['msg']} "
            f"(got {item['input']!r})"
            for item in error.errors()
        ]
        raise ConfigError("bad configuration: " + "; ".join(lines)) from error
