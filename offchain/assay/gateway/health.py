"""Whether the gateway lives, can serve, and what it serves; and its metrics.

GET /health/live     the process answers
GET /health/ready    the database and the node answer, and a provider offers something; else 503
GET /health/models   for each model, its providers
GET /health          a summary: the gateway's account, its micro-USD, models and providers
GET /metrics         for Prometheus
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, Response

from assay.core import metrics
from assay.core.errors import AssayError
from assay.gateway.desk import Desk


def health_routes(desk: Desk) -> APIRouter:
    router = APIRouter()

    @router.get("/health/live")
    async def live() -> dict[str, Any]:
        return {"status": "ok"}

    @router.get("/health/ready")
    async def ready() -> Response:
        checks = {
            "database": await _answers(desk.store.ping),
            "node": await _answers(desk.network.now),
            "providers": bool(await _serving(desk)),
        }
        status = 200 if all(checks.values()) else 503
        name = "ok" if status == 200 else "unready"
        return JSONResponse({"status": name, "checks": checks}, status_code=status)

    @router.get("/health/models")
    async def models() -> dict[str, Any]:
        return {"status": "ok", "models": await _serving(desk)}

    @router.get("/health")
    async def health() -> dict[str, Any]:
        serving, consumer = await _serving(desk), str(desk.signer.account.address)
        return {
            "status": "ok",
            "consumer": consumer,
            "chain_id": desk.network.chain_id,
            "available": await run_in_threadpool(desk.network.ledger.available, consumer),
            "models": sorted(serving),
            "providers": sorted({address for found in serving.values() for address in found}),
        }

    @router.get("/metrics")
    async def measured() -> Response:
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)

    return router


async def _serving(desk: Desk) -> dict[str, list[str]]:
    """Addresses of providers by the models that they offer now."""
    await desk.directory.refresh()
    found: dict[str, set[str]] = {}
    for offer in desk.router.catalogue.all():
        found.setdefault(offer.model_id, set()).add(offer.address)
    return {name: sorted(addresses) for name, addresses in sorted(found.items())}


async def _answers(probe: Any) -> bool:
    try:
        await run_in_threadpool(probe)
    except AssayError:
        return False
    return True
