"""The models of one provider: loaded side by side, each with its queue, its batch and its prices.

What they claim goes into common batches on chain, which cost less gas than batches of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from assay.core.errors import ConfigError
from assay.core.settings import ModelSettings, ProviderSettings
from assay.core.types import Job, Receipt
from assay.core.wire import hexed
from assay.engine.encoder import Encoder
from assay.engine.engine import Engine
from assay.engine.importer import import_checkpoint
from assay.engine.load import import_model, model_paths
from assay.engine.order import Order, fingerprint
from assay.engine.process import EngineProcess
from assay.engine.sharing import Want, share_out, want
from assay.exact.encoder import EncoderModel
from assay.exact.model import ExactModel
from assay.provider.admission import Terms
from assay.provider.cheat import Honest
from assay.provider.embedder import Embedder
from assay.provider.fleet.cluster import Cluster
from assay.provider.fleet.pool import Fleet, Size
from assay.provider.jobs import JobQueue
from assay.provider.journal import Journal
from assay.provider.prices import Price, PriceList
from assay.provider.worker import Worker
from assay.trace.commitment import Commitment, commit

INHERITED = (
    "max_running", "max_waiting", "cache_positions", "price_input", "price_output",
    "batch_discount_bps",
)  # fmt: skip


NEVER_TOO_LITTLE = 2**64
"""For the price of output, of which an embedding has none."""


@dataclass(frozen=True)
class Listing:
    """A model that is to be served, and how: see `ProviderSettings`."""

    path: Path
    draft_path: Path | None
    max_running: int
    max_waiting: int
    cache_positions: int | None
    price: Price

    @classmethod
    def of(cls, path: Path, draft_path: Path | None, own: ModelSettings | ProviderSettings,
           provider: ProviderSettings) -> Listing:  # fmt: skip
        """Its own values, and the provider's where it has none."""

        def value(name: str) -> Any:
            found = getattr(own, name)
            return getattr(provider, name) if found is None else found

        return cls(
            path,
            draft_path,
            value("max_running"),
            value("max_waiting"),
            value("cache_positions"),
            Price(value("price_input"), value("price_output"), value("batch_discount_bps")),
        )


@dataclass(frozen=True)
class Imported:
    """A checkpoint as integers, and the draft that guesses for it."""

    listing: Listing
    model: ExactModel | EncoderModel
    draft: ExactModel | None


@dataclass(frozen=True)
class Loaded:
    """A model in memory: the committed one, and what computes (differs only when cheating); None
    where a fleet does."""

    model: ExactModel | EncoderModel
    commitment: Commitment
    engine: Engine | EngineProcess | Encoder | None
    listing: Listing

    @property
    def embeds(self) -> bool:
        return self.commitment.header.embeds


@dataclass(frozen=True)
class Shop:
    """A model that is served: at which prices, and by what."""

    loaded: Loaded
    address: str
    queue: JobQueue
    prices: PriceList

    @property
    def name(self) -> str:
        return self.loaded.model.name

    @property
    def root(self) -> bytes:
        return self.loaded.commitment.model_root

    def close(self) -> None:
        """Finish what is under way, and let go of what computes."""
        self.queue.close()
        if isinstance(self.loaded.engine, EngineProcess):
            self.loaded.engine.close()

    def terms(self, job: Job, can_wait: bool) -> Terms:
        """What a job is held to."""
        header, embeds = self.loaded.commitment.header, self.loaded.embeds
        output = NEVER_TOO_LITTLE if embeds else job.price_output
        price = self.prices.for_offer(self.name, Price(job.price_input, output), can_wait)
        return Terms(self.address, self.root, header, price.input, 0 if embeds else price.output)

    def description(self) -> dict[str, Any]:
        """What a gateway needs to know to buy."""
        commitment, price = self.loaded.commitment, self.prices.now(self.name)
        width = commitment.program.steps[-1].width
        return {
            "id": self.name,
            "root": hexed(self.root),
            "context_length": commitment.header.context_length,
            "dimensions": width if self.loaded.embeds else None,
            "price_input": price.input,
            "price_output": 0 if self.loaded.embeds else price.output,
            "batch_discount_bps": price.batch_discount_bps,
            "price_until": self.prices.until(),
            "running": len(self.queue.running()),
            "concurrency": self.loaded.listing.max_running,
            "capacity": self.queue.capacity,
            "tokens": self.queue.meter.total,
            "tokens_per_second": round(self.queue.meter.rate(), 3),
        }


def served(settings: ProviderSettings) -> list[Listing]:
    """What is to be served."""
    if not settings.models:
        return [
            Listing.of(path, settings.draft_path, settings, settings)
            for path in model_paths(settings)
        ]
    if settings.model_path or settings.encoder_path:
        raise ConfigError(
            "models lists what is served, and so do model_path and encoder_path; unset those two "
            "(ASSAY_MODEL_PATH, ASSAY_ENCODER_PATH)"
        )
    return [Listing.of(each.path, each.draft_path, each, settings) for each in settings.models]


def load_models(settings: ProviderSettings, cheat: Honest) -> list[Loaded]:
    """All that is to be served, ready to compute; seconds for small models."""
    return ready(import_models(settings), settings, cheat)


def ready(imported: Sequence[Imported], settings: ProviderSettings, cheat: Honest) -> list[Loaded]:
    """Share out the memory, and make each ready."""
    loaded = [
        _loaded(each, positions, settings, cheat)
        for each, positions in zip(imported, _shares(imported, settings), strict=True)
    ]
    _check_different(loaded)
    return loaded


def _shares(imported: Sequence[Imported], settings: ProviderSettings) -> list[int | None]:
    """Positions of each cache; None leaves them to the engine, which has the memory to itself."""
    if len(imported) == 1 or settings.fleet:
        return [each.listing.cache_positions for each in imported]
    return [*share_out(wants(imported, settings))]


def import_models(settings: ProviderSettings) -> list[Imported]:
    """What is to be served, as integers; nothing of it is ready to compute."""
    return [_imported(listing) for listing in served(settings)]


def wants(models: Sequence[Imported], settings: ProviderSettings) -> list[Want]:
    """What each needs of the memory."""
    return [
        want(
            each.model,
            settings.backend,
            each.listing.max_running,
            each.listing.cache_positions,
            each.draft,
            settings.draft_guesses,
            _apart(settings),
        )
        for each in models
    ]


def _imported(listing: Listing) -> Imported:
    model, draft = import_model(listing.path), None
    if listing.draft_path is not None and isinstance(model, ExactModel):
        draft = import_checkpoint(listing.draft_path)
    return Imported(listing, model, draft)


def _loaded(
    each: Imported, positions: int | None, settings: ProviderSettings, cheat: Honest
) -> Loaded:
    model, listing = each.model, each.listing
    if isinstance(model, EncoderModel):
        return Loaded(model, commit(model), Encoder.ready(model, settings.threads), listing)
    if settings.fleet:
        return Loaded(model, commit(model), None, listing)
    return Loaded(model, commit(model), _engine(each, positions, settings, cheat), listing)


def _engine(
    each: Imported, positions: int | None, settings: ProviderSettings, cheat: Honest
) -> Engine | EngineProcess:
    """A cheat's may compute another model, which no other process can read from a file."""
    assert isinstance(each.model, ExactModel)
    if _apart(settings):
        if settings.threads is not None:
            torch.set_num_threads(settings.threads)
        return EngineProcess(
            _order(each.listing, each.model, positions, settings), each.model.shape
        )
    return Engine(
        cheat.model(each.model),
        settings.threads,
        settings.backend,
        slots=each.listing.max_running,
        positions=positions,
        pin=settings.pin_threads,
        draft=each.draft,
        guesses=settings.draft_guesses,
    )


def _apart(settings: ProviderSettings) -> bool:
    """Whether decoders compute in processes of their own."""
    return settings.engine_process and settings.cheat is None


def _order(
    listing: Listing, model: ExactModel, positions: int | None, settings: ProviderSettings
) -> Order:
    """What another process is to compute."""
    return Order(
        path=listing.path.resolve(),
        fingerprint=fingerprint(model),
        slots=listing.max_running,
        positions=positions,
        threads=settings.threads,
        backend=settings.backend,
        pin=settings.pin_threads,
        draft_path=listing.draft_path and listing.draft_path.resolve(),
        guesses=settings.draft_guesses,
    )


def _check_different(loaded: Sequence[Loaded]) -> None:
    """Names tell models apart for buyers, roots for contracts."""
    for what, values in (
        ("name", [each.model.name for each in loaded]),
        ("root", [hexed(each.commitment.model_root) for each in loaded]),
    ):
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            paths = ", ".join(str(each.listing.path) for each in loaded)
            raise ConfigError(
                f"two models have the {what} {twice} ({paths}); name each checkpoint's folder "
                "differently, and list no model twice"
            )


@dataclass(frozen=True)
class Works:
    """What computes jobs, for whom, and who else may: `cluster` has a fleet's machines."""

    settings: ProviderSettings
    journal: Journal
    sign: Callable[[Receipt], bytes]
    cheat: Honest
    cluster: Cluster | None = None

    def queue(self, loaded: Loaded) -> JobQueue:
        """Of one model."""
        running, waiting = loaded.listing.max_running, loaded.listing.max_waiting
        if isinstance(loaded.engine, Encoder):
            return Embedder(
                loaded.engine, loaded.commitment, self.journal, self.sign, self.cheat, running,
                waiting,
            )  # fmt: skip
        if loaded.engine is None:
            return self._fleet(loaded)
        return Worker(loaded.engine, self.journal, self.sign, self.cheat, running, waiting)

    def _fleet(self, loaded: Loaded) -> Fleet:
        settings, listing, cluster = self.settings, loaded.listing, self.cluster
        assert cluster is not None and isinstance(loaded.model, ExactModel)
        order = _order(listing, loaded.model, listing.cache_positions, settings)
        size = Size(
            listing.max_running,
            settings.fleet_least,
            max(settings.fleet_least, settings.fleet_most),
            settings.fleet_idle_seconds,
        )
        name, waiting = loaded.model.name, listing.max_waiting
        return Fleet(name, lambda: cluster.hire(order), size, self.journal, self.sign, waiting)


def connect_fleet(settings: ProviderSettings) -> Cluster | None:
    """The machines that the settings name, if they name any."""
    if settings.fleet is None:
        return None
    if settings.cheat is not None:
        raise ConfigError("a fleet does not cheat; unset ASSAY_CHEAT or ASSAY_FLEET")
    return Cluster(settings.fleet, settings.fleet_processors, settings.fleet_gpus)
