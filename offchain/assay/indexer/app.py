"""The index's read API: JSON over HTTP, GET only, the same answer to everybody.

Every answer names the block that it is of (`head`), and that block's hash is its ETag: whoever
asks again with `If-None-Match` is told 304 until a block is added or replaced. Lists are paged by
cursors (`next`), newest or greatest first. `GET /openapi.json` has all fields.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, Response
from sqlalchemy import Connection
from sqlalchemy.engine import Engine
from starlette.exceptions import HTTPException

from assay.core import metrics
from assay.core.database import reading
from assay.core.errors import AssayError, InputError
from assay.core.wire import error_body
from assay.indexer import reads, views
from assay.indexer.index import stand_of
from assay.indexer.paging import MAX_INTEGER, MOST, USUAL
from assay.indexer.reads import Asked, Found, Listing

REVISION = "1"
"""In ETags: to be raised when the same rows are shown otherwise."""
RETRY_AFTER_SECONDS = 2

Limit = Annotated[int, Query(ge=1, le=MOST, description="Rows of a page.")]
Cursor = Annotated[str | None, Query(max_length=1_000, description="`next` of the page before.")]
Text = Annotated[str | None, Query(max_length=80)]
Day = Annotated[int | None, Query(ge=0, le=MAX_INTEGER, description="Unix time // 86,400.")]
Status = Literal["open", "finalised", "convicted", "abandoned"]
Health = Callable[[], dict[str, Any]]


class Answers:
    """Runs reads on one state of the index each, and says of which block they are."""

    def __init__(self, engine: Engine, cache_seconds: int) -> None:
        self._engine = engine
        self._cache = f"public, max-age={cache_seconds}"

    def __call__(self, request: Request, read: Callable[[Connection], Found]) -> Response:
        with reading(self._engine) as connection:
            stand = stand_of(connection)
            tag = f'"{REVISION}-{stand.hash}"'
            headers = {"ETag": tag, "Cache-Control": self._cache}
            if tag in _tags(request):
                return Response(status_code=304, headers=headers)
            found = read(connection)
        return JSONResponse({"head": vars(stand), **found}, headers=headers)


def make_app(
    engine: Engine, health: Health, cache_seconds: int = 1, cors_origins: tuple[str, ...] = ()
) -> FastAPI:
    """The application.

    Args:
        health: what `GET /health` answers.
        cors_origins: web pages of which origins may ask ("*": any).
    """
    refused: dict[int | str, dict[str, Any]] = {
        status: {"model": views.Refusal} for status in (400, 404, 405, 503)
    }
    app = FastAPI(title="Assay index", version=REVISION, responses=refused)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(cors_origins),
            allow_methods=["GET"],
            allow_headers=["If-None-Match"],
            expose_headers=["ETag"],
        )
    answer = Answers(engine, cache_seconds)
    _claim_routes(app, answer)
    _economy_routes(app, answer)
    _event_routes(app, answer)
    _own_routes(app, health)
    app.openapi_schema = _described(app)
    return app


def _claim_routes(app: FastAPI, answer: Answers) -> None:
    @app.get("/v1/models", response_model=views.page(views.Model))
    def models(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
        return answer(request, _page_of(reads.MODELS, limit, cursor))

    @app.get("/v1/providers", response_model=views.page(views.Provider))
    def providers(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
        """By bond, the largest first."""
        return answer(request, _page_of(reads.PROVIDERS, limit, cursor))

    @app.get("/v1/providers/{address}", response_model=views.one(views.Provider))
    def provider(request: Request, address: str) -> Response:
        return answer(request, lambda connection: reads.provider(connection, address))

    @app.get("/v1/batches", response_model=views.page(views.Batch))
    def batches(
        request: Request, provider: Text = None, limit: Limit = USUAL, cursor: Cursor = None
    ) -> Response:
        where = {"provider": _given(reads.account, provider)}
        return answer(request, _page_of(reads.BATCHES, limit, cursor, **where))

    @app.get("/v1/claims", response_model=views.page(views.Claim))
    def claims(
        request: Request,
        status: Status | None = None,
        provider: Text = None,
        batch: Text = None,
        job: Text = None,
        limit: Limit = USUAL,
        cursor: Cursor = None,
    ) -> Response:
        where: dict[str, object | None] = {
            "status": status,
            "provider": _given(reads.account, provider),
            "batch_id": _given(reads.identity, batch),
            "job_id": _given(reads.identity, job),
        }
        return answer(request, _page_of(reads.CLAIMS, limit, cursor, **where))

    @app.get("/v1/claims/{claim_id}", response_model=views.one(views.ClaimDetail))
    def claim(request: Request, claim_id: str) -> Response:
        return answer(request, lambda connection: reads.claim(connection, claim_id))

    @app.get("/v1/games", response_model=views.page(views.Game))
    def games(
        request: Request,
        outcome: Literal["open", "provider_won", "challenger_won", "closed"] | None = None,
        limit: Limit = USUAL,
        cursor: Cursor = None,
    ) -> Response:
        where = {"outcome": "" if outcome == "open" else outcome}
        return answer(request, _page_of(reads.GAMES, limit, cursor, **where))

    @app.get("/v1/games/{game_id}", response_model=views.one(views.GameDetail))
    def game(request: Request, game_id: str) -> Response:
        return answer(request, lambda connection: reads.game(connection, game_id))


def _economy_routes(app: FastAPI, answer: Answers) -> None:
    @app.get("/v1/stats", response_model=views.one(views.Stats))
    def stats(request: Request) -> Response:
        """The network as a whole, since its deployment."""
        return answer(request, reads.stats)

    for name, kind in (
        ("supply", views.SupplyDay),
        ("emission", views.EmissionDay),
        ("burn", views.BurnDay),
    ):
        _series_route(app, answer, name, kind)

    @app.get("/v1/series/karat", response_model=views.page(views.CurvePoint))
    def karat(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
        """KARAT minted and burned: points of the mint curve."""
        return answer(request, _page_of(reads.KARAT, limit, cursor))

    @app.get("/v1/stakers", response_model=views.page(views.Account))
    def stakers(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
        """By stake, the largest first."""
        asked = Asked(limit, cursor, {})
        return answer(request, lambda connection: reads.stakers(connection, asked))

    @app.get("/v1/vouchers", response_model=views.page(views.Voucher))
    def vouchers(
        request: Request,
        owner: Text = None,
        payee: Text = None,
        day: Day = None,
        limit: Limit = USUAL,
        cursor: Cursor = None,
    ) -> Response:
        """What payees have collected of owners' channels, by day."""
        where: dict[str, object | None] = {
            "owner": _given(reads.account, owner),
            "payee": _given(reads.account, payee),
            "day": day,
        }
        return answer(request, _page_of(reads.VOUCHERS, limit, cursor, **where))

    @app.get("/v1/auctions", response_model=views.page(views.Auction))
    def auctions(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
        return answer(request, _page_of(reads.AUCTIONS, limit, cursor))

    @app.get("/v1/accounts/{address}", response_model=views.one(views.AccountDetail))
    def account(request: Request, address: str) -> Response:
        """Zeros for an account that no event names."""
        return answer(request, lambda connection: reads.account_detail(connection, address))


def _series_route(app: FastAPI, answer: Answers, name: str, kind: Any) -> None:
    @app.get(f"/v1/series/{name}", response_model=views.page(kind), name=name)
    def series(request: Request, limit: Limit = USUAL, cursor: Cursor = None) -> Response:
        """UTC days, newest first. Days without an event are left out: levels stood still."""
        return answer(request, _page_of(reads.SERIES[name], limit, cursor))


def _event_routes(app: FastAPI, answer: Answers) -> None:
    @app.get("/v1/events", response_model=views.page(views.Event))
    def events(
        request: Request,
        contract: Text = None,
        name: Text = None,
        account: Text = None,
        id: Text = None,
        limit: Limit = USUAL,
        cursor: Cursor = None,
    ) -> Response:
        """Every event of the contracts; `account` and `id` (of a claim, a game, a job, a batch, a
        model) keep those that name it."""
        if account is not None and id is not None:
            raise InputError("give account or id, not both", param="id")
        asked = Asked(
            limit, cursor, {"contract": _given(_word, contract), "name": _given(_word, name)}
        )
        subject = _given(reads.account, account) or _given(reads.identity, id)
        return answer(request, lambda connection: reads.events(connection, asked, subject))


def _own_routes(app: FastAPI, health: Health) -> None:
    @app.get("/health", response_model=views.Health)
    def healthy() -> dict[str, Any]:
        return health()

    @app.get("/metrics", response_class=Response, include_in_schema=False)
    def metrics_text() -> Response:
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)


def _page_of(
    listing: Listing, limit: int, cursor: str | None, **where: object | None
) -> Callable[[Connection], Found]:
    return lambda connection: reads.listed(connection, listing, Asked(limit, cursor, where))


def _given(parse: Callable[[str], str], text: str | None) -> str | None:
    return None if text is None else parse(text)


def _word(text: str) -> str:
    if not (text.isascii() and text.isalnum()):
        raise InputError(f"{text!r} is no name of a contract or an event")
    return text


def _tags(request: Request) -> list[str]:
    given = request.headers.get("if-none-match", "").split(",")
    return [tag.strip().removeprefix("W/") for tag in given]


def _described(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document; a request that does not fit it is answered 400, as any bad one."""
    document = app.openapi()
    for path in document["paths"].values():
        for operation in path.values():
            operation["responses"].pop("422", None)
    return document


def _failed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, AssayError)
    status = error.status if isinstance(error, InputError) else 503
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else None
    return JSONResponse(error_body(error), status_code=status, headers=headers)


def _malformed(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    name = str(first["loc"][-1])
    wrong = InputError(f"{name}: {first['msg']} (got {first['input']!r:.80})", param=name)
    return JSONResponse(error_body(wrong), status_code=wrong.status)


def _no_route(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    wrong = InputError(
        f"{request.method} {request.url.path}: {error.detail}; see /openapi.json",
        code="unknown_url" if error.status_code == 404 else "method_not_allowed",
        status=error.status_code,
    )
    return JSONResponse(error_body(wrong), status_code=wrong.status, headers=error.headers)


def _crashed(request: Request, error: Exception) -> JSONResponse:
    """A bug of ours; the server logs it, the caller sees no more than that."""
    wrong = InputError("the indexer failed; its log says why", code="internal_error", status=500)
    return JSONResponse(error_body(wrong), status_code=500)


_HANDLERS: dict[Any, Any] = {
    AssayError: _failed,
    RequestValidationError: _malformed,
    HTTPException: _no_route,
    Exception: _crashed,
}
