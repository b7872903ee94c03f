"""A fleet's machines by Ray: every worker is an actor. The only file that imports Ray.

Ray starts an actor where its processors and GPUs are free, now or once a machine joins; it is never
restarted by Ray, since the front decides who goes on with its jobs.
"""

from __future__ import annotations

import signal
import warnings
from typing import Any, cast

from assay.core.errors import EnvironmentMissing
from assay.engine.order import Order
from assay.provider.fleet.pool import Lost, RemoteEngine
from assay.provider.fleet.worker import Facts, FleetWorker, Progress, Task

LOCAL = "local"
STEP_SECONDS = 300.0
"""A worker that takes longer for one step of its batch is taken for lost."""


class Cluster:
    """A connection to Ray: a cluster's address, or "local" for one on this machine alone.

    Args:
        processors, gpus: of each worker.

    Raises:
        EnvironmentMissing: Ray is not installed, or no cluster answers.
    """

    def __init__(self, address: str, processors: float, gpus: float) -> None:
        try:
            import ray
        except ImportError as error:
            raise EnvironmentMissing(
                "a fleet needs Ray, which is not installed: pip install 'assay[fleet]'"
            ) from error
        self._ray: Any = ray
        self._processors, self._gpus = processors, gpus
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)  # of Ray's own future defaults
                ray.init(
                    address=None if address == LOCAL else address,
                    include_dashboard=False,
                    configure_logging=False,
                    log_to_driver=False,
                )
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise EnvironmentMissing(
                f"no Ray cluster answers at {address} ({error}); start one (`ray start --head`), "
                'or give "local"'
            ) from error
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)  # Ray's own would end us without draining

    def hire(self, order: Order) -> RemoteEngine:
        """A new worker; returns at once."""
        actor = self._ray.remote(
            num_cpus=self._processors, num_gpus=self._gpus, max_restarts=0, max_task_retries=0
        )(FleetWorker)
        return Hired(self._ray, actor.remote(order))

    def resources(self) -> tuple[float, float]:
        """Processors and GPUs of all machines, as Ray counts them."""
        found = self._ray.cluster_resources()
        return float(found.get("CPU", 0.0)), float(found.get("GPU", 0.0))

    def close(self) -> None:
        self._ray.shutdown()


class Hired:
    """One actor."""

    def __init__(self, ray: Any, actor: Any) -> None:
        self._ray = ray
        self._actor = actor

    def ready(self) -> Facts:
        return cast(Facts, self._ask(self._actor.facts.remote(), None))

    def step(self, tasks: tuple[Task, ...]) -> Progress:
        return cast(Progress, self._ask(self._actor.step.remote(tasks), STEP_SECONDS))

    def dismiss(self) -> None:
        self._ray.kill(self._actor)

    def _ask(self, answer: Any, seconds: float | None) -> Any:
        """Lost, if the process died, its machine left, or it is too slow; what the worker itself
        raises comes through."""
        errors = self._ray.exceptions
        try:
            return self._ray.get(answer, timeout=seconds)
        except errors.RayTaskError as error:
            raise error.cause if getattr(error, "cause", None) else error from None
        except errors.RayError as error:
            raise Lost(f"{type(error).__name__}: {str(error).splitlines()[0]}") from error
