"""One request's way: tokens in, provider chosen, job signed, tokens or an embedding out.

Fails over to another provider until the first token; from then on the answer is bound to one.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

from fastapi.concurrency import run_in_threadpool

from assay.chain.network import Network
from assay.core import logs
from assay.core.errors import InputError, UpstreamError
from assay.core.types import Model
from assay.engine.tokenizer import Tokenizer
from assay.gateway.accounts.books import Admitted
from assay.gateway.accounts.caller import Caller
from assay.gateway.background import background
from assay.gateway.chain_time import ChainTime
from assay.gateway.client import Client
from assay.gateway.directory import Directory
from assay.gateway.jobs import JobSigner, output_limit
from assay.gateway.models import ModelHeaders, Registered
from assay.gateway.prompts import Prompts
from assay.gateway.requests import GenerationRequest
from assay.gateway.routing.catalogue import model_not_found
from assay.gateway.routing.choice import Demand
from assay.gateway.routing.router import Attempt, NoProvider, Router
from assay.gateway.store import Answered, SignedJob, Store
from assay.gateway.upstream import Item, Offer, Unavailable, stream_job

Tie = Callable[[SignedJob], Awaitable[None]]


@dataclass(frozen=True)
class Underway:
    """A job whose provider has accepted it; `items` starts with what it sent first.

    `admitted`: None of a job that was sent again. `waited`: seconds from sending the job to its
    first item.
    """

    signed: SignedJob
    model: Model
    admitted: Admitted | None
    waited: float
    items: AsyncGenerator[Item, None]


@dataclass(frozen=True)
class Prepared:
    """A request that can be sent: nothing is signed yet. The cheapest offer is first."""

    request: GenerationRequest
    caller: Caller
    prompt: tuple[int, ...]
    model: Model
    offers: tuple[Offer, ...]


class Desk:
    """Holds what all requests share.

    Attributes:
        attempts: providers that are tried for one job.
    """

    def __init__(
        self,
        network: Network,
        signer: JobSigner,
        prompts: Prompts,
        store: Store,
        chain_time: ChainTime,
        router: Router,
        client: Client,
        urls: Sequence[str],
        attempts: int = 3,
    ) -> None:
        self.network = network
        self.signer = signer
        self.store = store
        self.chain_time = chain_time
        self.router = router
        self.client = client
        self.attempts = attempts
        self.prompts = prompts
        self._headers = ModelHeaders(network)
        self.directory = Directory(urls, client, router, self._headers, prompts)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connections are open and providers are asked while the block runs."""
        async with self.client, background(self.directory.run()):
            yield

    def tokenizer_of(self, model: Model) -> Tokenizer:
        """The tokenizer of a model that is served."""
        return self.prompts.tokenizer_of(model)

    async def registered(self, root: bytes) -> Registered | None:
        return self._headers.known(root) or await run_in_threadpool(self._headers.find, root)

    async def prepare(
        self, request: GenerationRequest, caller: Caller, embeds: bool = False
    ) -> Prepared:
        """Choose providers and read the prompt's tokens; InputError if this cannot be served."""
        offers = await self._suited(request)
        suited = [offer for offer in offers if offer.embeds == embeds]
        if not suited:
            raise wrong_endpoint(request.model, embeds)
        header = await self._header(request.model, suited[0])
        same = tuple(offer for offer in suited if offer.model_root == suited[0].model_root)
        prompt = await self.prompts.read(request, header)
        return Prepared(request, caller, tuple(prompt), header, same)

    async def send(self, prepared: Prepared, tie: Tie | None = None) -> Underway:
        """Sign and send the job; returns once a provider has begun to answer.

        Args:
            tie: is told of a job before it is sent. A job that may have been taken is then left to
                its provider, to be sent again as it is: it can be paid but once.
        """
        request, failures = prepared.request, list[str]()
        now = self.chain_time.latest
        for offer in self.router.ranked(prepared.offers, request.wishes, self._demand(prepared)):
            if len(failures) == self.attempts:
                break
            if (attempt := self.router.attempt(offer)) is None:
                continue  # another request is this provider's probe
            signed = self.signer.sign(request, prepared.prompt, prepared.model, offer, now)
            try:
                return await self._try(signed, prepared, attempt, tie)
            except Unavailable as error:
                if tie is not None and error.sent:
                    raise
                logs.warning("provider_failed", job=signed.job_id, error=error.message)
                failures.append(error.message)
        raise NoProvider(f"no provider took the job: {'; '.join(failures) or 'all are paused'}")

    def _demand(self, prepared: Prepared) -> Demand:
        asked, default = prepared.request.max_tokens, self.signer.default_max_tokens
        limit = output_limit(asked, len(prepared.prompt), prepared.model, default)
        return Demand(prepared.prompt, limit)

    async def resend(self, signed: SignedJob, model: Model) -> Underway:
        """Send a job again that may not have arrived. `Unavailable` if its provider is paused."""
        found = (o for o in self.router.catalogue.all() if o.url == signed.provider_url)
        offer = next((o for o in found if o.model_root == signed.job.model_root), None)
        attempt = self.router.attempt(offer) if offer else None
        if attempt is None:
            raise Unavailable(f"{signed.job.provider} takes no jobs now", sent=True)
        try:
            return await self._send(signed, model, attempt, None, whole=True)
        except Unavailable as error:
            if not error.refused:
                attempt.failed()
            raise
        finally:
            if not attempt.began:
                attempt.close()

    async def _try(
        self, signed: SignedJob, prepared: Prepared, attempt: Attempt, tie: Tie | None
    ) -> Underway:
        """One provider. The job is forgotten again if it was certainly not taken."""
        try:
            admitted = await self.store.add(signed, prepared.caller)
            if tie is not None:
                await tie(signed)
            whole = not prepared.request.stream
            return await self._send(signed, prepared.model, attempt, admitted, whole)
        except Unavailable as error:
            if not error.refused:
                attempt.failed()
            if not error.sent:
                await self.store.drop(signed.job_id)
            raise
        except InputError:
            await self.store.drop(signed.job_id)
            raise
        finally:
            if not attempt.began:
                attempt.close()

    async def _send(
        self,
        signed: SignedJob,
        model: Model,
        attempt: Attempt,
        admitted: Admitted | None,
        whole: bool,
    ) -> Underway:
        chain_id, settlement = self.network.chain_id, self.network.settlement.address
        items = stream_job(self.client, signed, model, chain_id, settlement, whole)
        sent = time.perf_counter()
        try:
            first = await anext(items)
        except BaseException:
            await items.aclose()
            raise
        attempt.first_token()
        waited = time.perf_counter() - sent
        rest = self._rest(signed, first, items, attempt)
        return Underway(signed, model, admitted, waited, rest)

    async def _rest(
        self,
        signed: SignedJob,
        first: Item,
        items: AsyncGenerator[Item, None],
        attempt: Attempt,
    ) -> AsyncGenerator[Item, None]:
        """`first`, then the others; the answer is stored before it is passed on."""
        try:
            async with aclosing(items):
                item: Item | None = first
                while item is not None:
                    if isinstance(item, Answered):
                        await self._answered(signed, item, attempt)
                    yield item
                    item = await anext(items, None)
        except UpstreamError as error:
            attempt.failed()
            logs.warning("provider_failed", job=signed.job_id, error=error.message)
            raise
        finally:
            attempt.close()

    async def _answered(self, signed: SignedJob, answered: Answered, attempt: Attempt) -> None:
        count = answered.receipt.output_tokens
        attempt.answered(count)
        await self.store.answer(signed.job_id, answered)
        provider = signed.job.provider
        logs.event("answered", job=signed.job_id, provider=provider, tokens=count)

    async def _suited(self, request: GenerationRequest) -> list[Offer]:
        """Who can serve it. Providers that were silent are asked again before it is refused."""
        await self.directory.meet()
        try:
            return self.router.suited(request.model, request.wishes, request.can_wait)
        except InputError:
            await self.directory.turn()
        return self.router.suited(request.model, request.wishes, request.can_wait)

    async def _header(self, name: str, offer: Offer) -> Model:
        registered = await self.registered(offer.model_root)
        if registered is None:
            raise model_not_found(name, sorted(self.router.catalogue.models()))
        return registered.model


def wrong_endpoint(name: str, asked_to_embed: bool) -> InputError:
    gives, where = "embeddings", "/v1/embeddings"
    if asked_to_embed:
        gives, where = "tokens", "/v1/completions or /v1/chat/completions"
    return InputError(
        f"the model '{name}' gives {gives}; ask for them at {where}",
        code="wrong_endpoint",
        param="model",
    )
