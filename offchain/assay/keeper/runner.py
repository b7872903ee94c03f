"""Runs a job: asks whether each call is still due, sends it, and counts what came of it."""

from __future__ import annotations

import threading
import time

from assay.chain.fees import GWEI
from assay.chain.rehearse import gas_price, rehearse
from assay.core import logs, metrics
from assay.core.errors import AssayError, ContractReverted
from assay.keeper.job import Action, Job, Report
from assay.keeper.site import Site

RUNS = metrics.counter("assay_keeper_runs_total", "Runs of a job.", "job")
SENDS = metrics.counter("assay_keeper_sends_total", "Transactions that did their work.", "job")
SKIPS = metrics.counter("assay_keeper_skips_total", "Calls that were not sent.", "job", "reason")
FAILURES = metrics.counter("assay_keeper_failures_total", "Runs that ended in an error.", "job")
SUCCESS = metrics.gauge(
    "assay_keeper_last_success_timestamp_seconds", "When a run last ended without error.", "job"
)

DONE = "done_already"
REFUSED = "refused"
LOST = "somebody_was_first"
DEAR = "gas_too_dear"
LIMIT = "limit_of_the_run"


class Runner:
    """Runs jobs at a site; `dry` rehearses and sends nothing. Safe to share between threads."""

    def __init__(self, site: Site, dry: bool, stopping: threading.Event) -> None:
        self.site = site
        self._dry = dry
        self._stopping = stopping

    def run(self, job: Job) -> Report:
        """One run. Errors end it and are in the report; nothing is raised."""
        report = Report(job.name)
        RUNS.add(job=job.name)
        try:
            self._run(job, report)
        except AssayError as error:
            report.failed = error.message
            logs.warning("job_failed", job=job.name, code=error.code, error=error.message)
        except Exception as error:
            # The last line of defence: an unattended keeper goes on with its other jobs.
            report.failed = f"{type(error).__name__}: {error}"
            logs.LOGGER.exception("job_crashed %s", job.name)
        self._count(report)
        return report

    def _run(self, job: Job, report: Report) -> None:
        for action in job.plan(self.site):
            if self._stopping.is_set():
                return
            if len(report.sent) >= self.site.settings.max_transactions:
                report.skipped[LIMIT] += 1
                return
            self._act(action, report)

    def _act(self, action: Action, report: Report) -> None:
        if not action.due():
            report.skipped[DONE] += 1
        elif self._dry:
            self._rehearse(action, report)
        elif self._dear():
            report.skipped[DEAR] += 1
        else:
            self._send(action, report)

    def _send(self, action: Action, report: Report) -> None:
        """The sender asks the node first, so that a call that would revert costs nothing."""
        try:
            mined = action.call.send()
        except ContractReverted as refusal:
            if not action.due():
                report.skipped[LOST] += 1
            elif refusal.transaction is not None:
                raise
            else:
                self._refused(action, refusal, report)
            return
        report.sent.append(action.call.name)
        logs.event("sent", call=mined.call, transaction=mined.hash, gas=mined.gas_used)

    def _rehearse(self, action: Action, report: Report) -> None:
        (tried,) = rehearse(self.site.network.web3, self.site.address, [action.call])
        if tried.error is None:
            report.planned.append(action.call.name)
        else:
            self._refused(action, tried.error, report)

    def _refused(self, action: Action, refusal: ContractReverted, report: Report) -> None:
        if action.parts:
            for part in action.parts:
                self._act(part, report)
            return
        report.skipped[REFUSED] += 1
        logs.event("call_refused", call=action.call.name, reason=refusal.reason)
        if action.key is not None:
            self.site.postpone(action.key)

    def _dear(self) -> bool:
        limit = int(self.site.settings.max_fee_gwei * GWEI)
        return gas_price(self.site.network.web3) > limit

    def _count(self, report: Report) -> None:
        SENDS.add(len(report.sent), job=report.job)
        for reason, count in report.skipped.items():
            SKIPS.add(count, job=report.job, reason=reason)
        if report.failed is None:
            SUCCESS.set(time.time(), job=report.job)
        else:
            FAILURES.add(job=report.job)
