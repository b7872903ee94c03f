"""The provider as a process: loads the model, serves jobs, posts, collects and defends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.core import logs
from assay.core.errors import ConfigError
from assay.core.service import HttpEndpoint, Loop, Service, run_service
from assay.core.settings import ProviderSettings
from assay.core.signing import sign_receipt
from assay.core.types import Job
from assay.core.wire import hexed
from assay.engine.engine import Engine
from assay.engine.importer import SHIPPED_MODEL, import_checkpoint
from assay.exact.model import ExactModel
from assay.provider.admission import Terms, check_job, check_standing
from assay.provider.cheat import Honest, make_cheat
from assay.provider.defender import Defender
from assay.provider.finaliser import Finaliser
from assay.provider.http import make_app
from assay.provider.journal import Journal
from assay.provider.poster import Poster
from assay.provider.standing import StandingReader
from assay.provider.worker import Admitted, Outlet, Worker
from assay.trace.commitment import ModelCommitment


def run(settings: ProviderSettings) -> None:
    """Serve until SIGTERM."""
    logs.configure("provider", settings.log_format)
    run_service(ProviderService(settings))


@dataclass(frozen=True)
class Loaded:
    """A model in memory: the committed one, and what computes (differs only when cheating)."""

    model: ExactModel
    commitment: ModelCommitment
    engine: Engine


class ProviderService(Service):
    name = "provider"

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__()
        self._settings = settings

    def setup(self) -> None:
        settings = self._settings
        account = load_account(settings)
        self._network = Network.connect(settings, account)
        chain_id, settlement = self._network.chain_id, self._network.settlement.address
        cheat = make_cheat(settings.cheat_description(chain_id))
        loaded = load_model(settings, cheat)
        self.terms = self._terms(loaded, str(account.address))
        self.journal = Journal(settings.data_dir / "provider.sqlite")
        self._model_id = loaded.model.name
        self._worker = Worker(
            engine=loaded.engine,
            journal=self.journal,
            sign=lambda receipt: sign_receipt(account, receipt, chain_id, settlement),
            cheat=cheat,
            max_running=settings.max_running,
            max_waiting=settings.max_waiting,
        )
        address = self.terms.address
        self._standing = StandingReader(self._network, self.journal, self._worker, address)
        self._poster = Poster(
            self._network, self.journal, address, settings.batch_size, settings.batch_seconds
        )
        self._finaliser = Finaliser(self._network, self.journal)
        self._defender = Defender(self._network, self.journal, loaded.commitment, cheat, address)
        logs.event("ready", address=address, model=loaded.model.name, root=self.terms.model_root)

    def loops(self) -> Sequence[Loop]:
        seconds = self._settings.poll_seconds
        return (
            Loop("post", min(seconds, max(self._settings.batch_seconds, 0.1)), self._poster.turn),
            Loop("finalise", seconds, self._finaliser.turn),
            Loop("defend", seconds, self._defender.turn),
        )

    def http(self) -> HttpEndpoint:
        return HttpEndpoint(make_app(self), self._settings.host, self._settings.port)

    def stop(self) -> None:
        """Finish decoding, post what is left, stop defending; the journal closes last."""
        self._worker.close()
        try:
            self._poster.flush()
        finally:
            self._defender.close()
            self.journal.close()

    def admit(self, job: Job, signature: bytes, prompt: list[int], salt: bytes) -> Admitted:
        """Check a job; raises `InputError` with nothing changed."""
        check_job(job, prompt, salt, self.terms)
        check_standing(job, self._standing.read(job, signature))
        return Admitted(self._standing.job_id(job), job, signature, tuple(prompt), salt)

    def start(self, admitted: Admitted, outlet: Outlet) -> None:
        self._worker.start(admitted, outlet)

    def health(self) -> dict[str, Any]:
        terms = self.terms
        return {
            "status": "draining" if self.stopping.is_set() else "ok",
            "address": terms.address,
            "url": self._settings.public_url
            or f"http://{self._settings.host}:{self._settings.port}",
            "model": {
                "id": self._model_id,
                "root": hexed(terms.model_root),
                "context_length": terms.model.context_length,
            },
            "price_input": terms.price_input,
            "price_output": terms.price_output,
            "running": len(self._worker.running()),
            "games": self._defender.active(),
            "claims": self.journal.counts(),
        }

    def _terms(self, loaded: Loaded, address: str) -> Terms:
        root = loaded.commitment.model_root
        if not self._network.models.registered_at(root):
            raise ConfigError(
                f"model {loaded.model.name} ({hexed(root)}) is not registered on chain "
                f"{self._network.chain_id}; register it with `assay deploy`, or set "
                "ASSAY_MODEL_PATH to a registered model"
            )
        return Terms(
            address=address,
            model_root=root,
            model=loaded.commitment.header,
            price_input=self._settings.price_input,
            price_output=self._settings.price_output,
        )


def load_model(settings: ProviderSettings, cheat: Honest) -> Loaded:
    """Import, commit and make ready to decode; takes seconds for a small model."""
    model = import_checkpoint(settings.model_path or SHIPPED_MODEL)
    engine = Engine(
        cheat.model(model),
        settings.threads,
        settings.backend,
        slots=settings.max_running,
        positions=settings.cache_positions,
        pin=settings.pin_threads,
    )
    return Loaded(model, ModelCommitment(model), engine)
