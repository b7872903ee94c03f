"""The provider as a process: loads the model, serves jobs, posts, collects and defends."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.core import logs
from assay.core.errors import ConfigError, InputError
from assay.core.service import HttpEndpoint, Loop, Service, run_service
from assay.core.settings import ProviderSettings
from assay.core.signing import sign_receipt
from assay.core.types import Job, Receipt
from assay.core.wire import ClaimData, hexed
from assay.provider.admission import check_job, check_standing
from assay.provider.answers import AuditAnswers
from assay.provider.cheat import make_cheat
from assay.provider.defender import Defender
from assay.provider.disclosure import Disclosure
from assay.provider.finaliser import Finaliser
from assay.provider.home import Home
from assay.provider.http import make_app
from assay.provider.jobs import Admitted, Outlet
from assay.provider.journal import Journal
from assay.provider.poster import Poster
from assay.provider.prices import PriceList
from assay.provider.shops import Loaded, Shop, Works, connect_fleet, load_models
from assay.provider.standing import StandingReader


def run(settings: ProviderSettings) -> None:
    """Serve until SIGTERM, or until there is nothing left to do for one that leaves."""
    logs.configure("provider", settings.log_format)
    with Home(settings.data_dir).held():
        run_service(ProviderService(settings))


class ProviderService(Service):
    name = "provider"

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__()
        self._settings = settings
        self._home = Home(settings.data_dir)
        self._begun = time.time()

    def setup(self) -> None:
        settings = self._settings
        account = load_account(settings)
        self._network = Network.connect(settings, account, self._home.outbox)
        chain_id, settlement = self._network.chain_id, self._network.settlement.address
        cheat = make_cheat(settings.cheat_description(chain_id))
        address = self._address = str(account.address)
        models = load_models(settings, cheat)
        for loaded in models:
            self._check_registered(loaded)
        first = {loaded.model.name: loaded.listing.price for loaded in models}
        self._prices = PriceList(self._home.prices, first, settings.offer_seconds)
        self.journal = Journal(self._home.journal)

        def sign(receipt: Receipt) -> bytes:
            return sign_receipt(account, receipt, chain_id, settlement)

        self._cluster = connect_fleet(settings)
        works = Works(settings, self.journal, sign, cheat, self._cluster)
        self._shops = [
            Shop(loaded, address, works.queue(loaded), self._prices) for loaded in models
        ]
        queues = [shop.queue for shop in self._shops]
        self._standing = StandingReader(self._network, self.journal, queues, address)
        self._poster = Poster(
            self._network, self.journal, address, settings.batch_size, settings.batch_seconds
        )
        self._finaliser = Finaliser(self._network, self.journal)
        commitments = [loaded.commitment for loaded in models]
        slash = self._network.settlement.slash_per_claim()
        self._defender = Defender(
            self._network,
            self.journal,
            commitments,
            cheat,
            address,
            self._network.urgency(slash, settings.token_wei),
            settings.alert_seconds,
        )
        self._answers = AuditAnswers(self._network, self.journal, commitments, cheat, address)
        self._disclosure = Disclosure(self._network.audits)
        for shop in self._shops:
            logs.event("ready", address=address, model=shop.name, root=shop.root)

    def loops(self) -> Sequence[Loop]:
        seconds = self._settings.poll_seconds
        return (
            Loop("post", min(seconds, max(self._settings.batch_seconds, 0.1)), self._poster.turn),
            Loop("finalise", seconds, self._finaliser.turn),
            Loop("defend", seconds, self._defender.turn),
            Loop("answer audits", seconds, self._answers.turn),
            Loop("tend", seconds, self._tend),
            Loop("reprice", seconds, self._prices.refresh),
            Loop("leave", seconds, self._leave),
        )

    def _tend(self) -> None:
        assert self._network.sender is not None, "a provider has an account"
        self._network.sender.tend()

    def _leave(self) -> None:
        """Once it is to go: post at once what is served, and end when the last claim has."""
        if not self._home.leaving:
            return
        self._poster.hurry()
        counts = self.journal.counts()
        busy = any(shop.queue.running() for shop in self._shops) or self._defender.active()
        if not (busy or counts["pending"] or counts["posted"]):
            logs.event("left")
            self.stopping.set()

    def http(self) -> HttpEndpoint:
        settings = self._settings
        return HttpEndpoint(make_app(self), settings.host, settings.port, settings.tls())

    def stop(self) -> None:
        """Finish decoding, post what is left, stop defending; the journal closes last."""
        for shop in self._shops:
            shop.close()
        if self._cluster is not None:
            self._cluster.close()
        try:
            self._poster.flush()
        finally:
            self._defender.close()
            self.journal.close()

    def admit(
        self, job: Job, signature: bytes, prompt: list[int], salt: bytes, can_wait: bool
    ) -> Admitted:
        """Check a job; raises `InputError` with nothing changed."""
        if self._home.leaving:
            raise InputError(
                "this provider takes no more jobs; try another one", code="leaving", status=503
            )
        check_job(job, prompt, salt, self._shop(job).terms(job, can_wait))
        try:
            check_standing(job, self._standing.read(job, signature))
        except InputError:  # a deposit may just have come
            check_standing(job, self._standing.read(job, signature, fresh=True))
        job_id = self._standing.job_id(job)
        return Admitted(job_id, job, signature, tuple(prompt), salt, can_wait)

    def start(self, admitted: Admitted, outlet: Outlet) -> None:
        self._shop(admitted.job).queue.start(admitted, outlet)

    def _shop(self, job: Job) -> Shop:
        """The one that serves the job's model; any, whose terms will refuse it, if none does."""
        found = (shop for shop in self._shops if shop.root == job.model_root)
        return next(found, self._shops[0])

    def disclose(self, data: ClaimData, auditor: str | None) -> dict[str, Any]:
        return self._disclosure.of(data, auditor)

    def health(self) -> dict[str, Any]:
        return {
            "status": self._status(),
            "address": self._address,
            "url": self._settings.public_url
            or f"{self._settings.scheme}://{self._settings.host}:{self._settings.port}",
            "uptime_seconds": int(time.time() - self._begun),
            "models": [shop.description() for shop in self._shops],
            "workers": [worker for shop in self._shops for worker in shop.queue.workers()],
            "games": self._defender.active(),
            "claims": self.journal.counts(),
        }

    def _status(self) -> str:
        if self.stopping.is_set():
            return "draining"
        if self._home.leaving:
            return "leaving"
        return "ok" if all(shop.queue.able for shop in self._shops) else "no engine"

    def _check_registered(self, loaded: Loaded) -> None:
        root = loaded.commitment.model_root
        if not self._network.models.registered_at(root):
            raise ConfigError(
                f"model {loaded.model.name} ({hexed(root)}) is not registered on chain "
                f"{self._network.chain_id}; register it with `assay model register`, or serve "
                "another one (ASSAY_MODEL_PATH)"
            )
