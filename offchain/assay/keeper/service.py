"""The keeper as a process: a schedule of jobs. APScheduler says when, the runner does the rest."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from assay.chain.keys import load_account
from assay.chain.network import Network
from assay.core import logs
from assay.core.claim_source import ClaimSource
from assay.core.metrics import metrics_app
from assay.core.service import HttpEndpoint, Loop, Service, run_service
from assay.core.settings import KeeperSettings
from assay.keeper.job import Job, Report
from assay.keeper.jobs import chosen
from assay.keeper.runner import Runner
from assay.keeper.site import Site
from assay.keeper.watch import Watch

THREADS = 4
"""Jobs that run at the same time; they share one account, whose sender takes turns."""


def run(settings: KeeperSettings, dry: bool) -> None:
    """Run jobs until SIGTERM."""
    logs.configure("keeper", settings.log_format)
    run_service(KeeperService(settings, dry))


def run_once(settings: KeeperSettings, dry: bool) -> list[Report]:
    """Each chosen job once, in the order of a round."""
    logs.configure("keeper", settings.log_format)
    jobs, site = chosen(settings.jobs), open_site(settings, dry)
    try:
        runner = Runner(site, dry, threading.Event())
        return [runner.run(job) for job in jobs]
    finally:
        site.claims.close()


def open_site(settings: KeeperSettings, dry: bool) -> Site:
    """Connect; a dry run needs no account, and uses none."""
    if dry:
        network = Network.connect(settings.model_copy(update={"keystore": None}))
    else:
        account = load_account(settings)
        network = Network.connect(settings, account, settings.data_dir / "outbox.json")
    watch = Watch(network, settings.start_block)
    return Site(network, watch, ClaimSource(settings.provider_urls), settings)


class KeeperService(Service):
    """Remembers nothing but its unmined transactions (`data_dir`/outbox.json)."""

    name = "keeper"

    def __init__(self, settings: KeeperSettings, dry: bool) -> None:
        super().__init__()
        self._settings = settings
        self._dry = dry

    def setup(self) -> None:
        jobs = chosen(self._settings.jobs)
        self._site = open_site(self._settings, self._dry)
        self._runner = Runner(self._site, self._dry, self.stopping)
        self._scheduler = self._schedule(jobs)
        self._scheduler.start()
        logs.event("ready", address=self._site.address, jobs=",".join(job.name for job in jobs))

    def loops(self) -> Sequence[Loop]:
        return (Loop("tend", self._settings.poll_seconds, self._tend),)

    def http(self) -> HttpEndpoint:
        settings = self._settings
        return HttpEndpoint(metrics_app, settings.host, settings.port, settings.tls())

    def stop(self) -> None:
        self._scheduler.shutdown(wait=True)
        self._site.claims.close()

    def _schedule(self, jobs: Sequence[Job]) -> Any:
        """Every job from now on; one that is late runs once, and never beside itself."""
        from apscheduler.executors.pool import ThreadPoolExecutor
        from apscheduler.schedulers.background import BackgroundScheduler

        settings = self._settings
        # A run that outlasts its interval is skipped, which is no news.
        logging.getLogger("apscheduler").setLevel(logging.ERROR)
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(THREADS)}, job_defaults=defaults, timezone=UTC
        )
        for job in jobs:
            scheduler.add_job(
                self._runner.run,
                "interval",
                args=(job,),
                id=job.name,
                seconds=settings.interval_seconds,
                jitter=settings.jitter_seconds,
                next_run_time=datetime.now(UTC),
            )
        return scheduler

    def _tend(self) -> None:
        if self._site.network.sender is not None:
            self._site.network.sender.tend()
