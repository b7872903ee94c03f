"""Configuration of the services: environment (prefix `ASSAY_`) over a TOML file over defaults.

The file is named by `ASSAY_CONFIG`; a key there is a field name below. Nothing here opens a
key or a connection. Secrets have no default: a keystore and its password must be given.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
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
    reorg_depth           blocks that the event reader reads again at every poll
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
    reorg_depth: int = Field(default=12, ge=0)

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


class ServiceSettings(ChainSettings):
    """What every long-running service adds.

    model_path    Hugging Face checkpoint folder; None is the model shipped with the package
    data_dir      where the service keeps its journal or database (created if missing)
    threads       compute threads; None leaves the choice to torch
    pin_threads   keep each compute thread on one processor (native backend): faster where other
                  programs compete for them, slower where two services share the same ones
    backend       "native" (C++), "torch", or "auto" for native wherever it can be built
    poll_seconds  pause between two looks at the chain
    log_format    "text" for people, "json" for one object a line
    """

    model_path: Path | None = None
    data_dir: Path = Path(".assay")
    threads: int | None = Field(default=None, ge=1)
    pin_threads: bool = False
    backend: Literal["auto", "native", "torch"] = "auto"
    poll_seconds: float = Field(default=1.0, gt=0)
    log_format: Literal["text", "json"] = "text"


UrlList = Annotated[list[str], NoDecode]


def split_urls(value: object) -> object:
    """Accept "http://a,http://b" as well as a JSON list; drop trailing slashes."""
    if isinstance(value, str):
        text = value.strip()
        value = json.loads(text) if text.startswith("[") else text.split(",")
    if isinstance(value, list):
        return [str(url).strip().rstrip("/") for url in value if str(url).strip()]
    return value


class ProviderSettings(ServiceSettings):
    """The provider worker.

    host, port          where its HTTP interface listens
    public_url          the address that others reach it by; None: http://host:port
    batch_seconds       a batch is posted at most so long after its first receipt
    batch_size          … or as soon as it holds so many receipts
    max_running         requests decoded at once
    max_waiting         requests queued beyond that; more are answered 503
    cache_positions     tokens that all running requests may have in memory together; None: a full
                        context each, as far as half of the free memory goes
    price_input/_output micro-USD per million tokens, the least it accepts
    cheat               JSON of a deliberate lie for demonstrations and tests, for example
                        {"kind": "wrong_token", "index": 3}; refused off the local chain
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8101, ge=0, le=65535)
    public_url: str | None = None
    batch_seconds: float = Field(default=5.0, ge=0)
    batch_size: int = Field(default=256, ge=1)
    max_running: int = Field(default=8, ge=1)
    max_waiting: int = Field(default=64, ge=0)
    cache_positions: int | None = Field(default=None, ge=1)
    price_input: int = Field(default=50_000, ge=0)
    price_output: int = Field(default=200_000, ge=0)
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

    provider_urls   providers whose batches it fetches and recomputes
    start_block     first block that it reads; None: the block of the deployment
    """

    provider_urls: UrlList = []
    start_block: int | None = Field(default=None, ge=0)

    _split = field_validator("provider_urls", mode="before")(split_urls)


class GatewaySettings(ServiceSettings):
    """The HTTP endpoint; its keystore is the consumer that signs jobs and pays.

    host, port              where it listens
    provider_urls           providers that it may route to
    max_price_input/_output micro-USD per million tokens, the most that it agrees to
    job_seconds             deadline of a job from its signature on
    default_max_tokens      output limit when the request gives none
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8100, ge=0, le=65535)
    provider_urls: UrlList = []
    max_price_input: int = Field(default=1_000_000, ge=0)
    max_price_output: int = Field(default=1_000_000, ge=0)
    job_seconds: int = Field(default=600, ge=1)
    default_max_tokens: int = Field(default=64, ge=1)

    _split = field_validator("provider_urls", mode="before")(split_urls)


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
