"""One request's way: tokens in, provider chosen, job signed, tokens out.

Fails over to another provider until the first token; from then on the answer is bound to one.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import httpx
from fastapi.concurrency import run_in_threadpool

from assay.chain.network import Network
from assay.core import logs
from assay.core.errors import AssayError, InputError
from assay.core.types import Model
from assay.engine.tokenizer import Tokenizer
from assay.gateway.jobs import JobSigner
from assay.gateway.models import ModelHeaders, Registered
from assay.gateway.requests import GenerationRequest
from assay.gateway.routing import Catalogue, model_not_found
from assay.gateway.store import Answered, SignedJob, Store
from assay.gateway.upstream import Offer, Unavailable, fetch_offer, stream_job


@dataclass(frozen=True)
class Underway:
    """A job whose provider has accepted it; `items` starts with what it sent first."""

    signed: SignedJob
    model: Model
    items: AsyncGenerator[int | Answered, None]


class NoProvider(InputError):
    """Every provider refused or failed."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="no_provider", status=503)


class Desk:
    """Holds what all requests share.

    Attributes:
        tokenizer_hash: hash of the gateway's tokenizer; models of another one are not served.
    """

    def __init__(
        self,
        network: Network,
        signer: JobSigner,
        tokenizer: Tokenizer,
        tokenizer_hash: bytes,
        store: Store,
        catalogue: Catalogue,
        urls: Sequence[str],
    ) -> None:
        self.network = network
        self.signer = signer
        self.tokenizer = tokenizer
        self.store = store
        self.catalogue = catalogue
        self.client: httpx.AsyncClient
        self._tokenizer_hash = tokenizer_hash
        self._urls = tuple(urls)
        self._headers = ModelHeaders(network)

    async def refresh(self) -> None:
        """Ask the providers whose offers are old; one that does not answer is left out."""
        now = time.monotonic()
        stale = self.catalogue.stale(self._urls, now)
        for url, offer in zip(stale, await asyncio.gather(*map(self._ask, stale)), strict=True):
            self.catalogue.update(url, offer, now)

    async def registered(self, root: bytes) -> Registered | None:
        return await run_in_threadpool(self._headers.find, root)

    async def open(self, request: GenerationRequest) -> Underway:
        """Sign and send the job; returns once a provider has begun to answer."""
        await self.refresh()
        offers = self.catalogue.candidates(request.model, request.only)
        header = await self._header(request.model, offers[0])
        prompt = self._tokens(request, header)
        now = await run_in_threadpool(self.network.now)
        failures: list[str] = []
        for offer in offers:
            signed = self.signer.sign(request, prompt, header, offer, now)
            try:
                return await self._send(signed, header)
            except Unavailable as error:
                failures.append(error.message)
                self.store.drop(signed.job_id)
            except InputError:
                self.store.drop(signed.job_id)
                raise
        raise NoProvider(f"no provider took the job: {'; '.join(failures)}")

    async def _send(self, signed: SignedJob, header: Model) -> Underway:
        await run_in_threadpool(self.store.add, signed)
        settlement = self.network.settlement.address
        items = stream_job(self.client, signed, self.network.chain_id, settlement)
        try:
            first = await anext(items)
        except BaseException:
            await items.aclose()
            raise
        logs.event("routed", job=signed.job_id, provider=signed.job.provider)
        return Underway(signed, header, self._rest(signed, first, items))

    async def _rest(
        self, signed: SignedJob, first: int | Answered, items: AsyncGenerator[int | Answered, None]
    ) -> AsyncGenerator[int | Answered, None]:
        """`first`, then the others; the answer is stored before it is passed on."""
        async with aclosing(items):
            item: int | Answered | None = first
            while item is not None:
                if isinstance(item, Answered):
                    await run_in_threadpool(self.store.answer, signed.job_id, item)
                    logs.event("answered", job=signed.job_id, tokens=len(item.output))
                yield item
                item = await anext(items, None)

    async def _ask(self, url: str) -> Offer | None:
        try:
            offer = await fetch_offer(self.client, url)
            registered = await self.registered(offer.model_root)
        except AssayError as error:
            logs.warning("provider_unavailable", url=url, error=error.message)
            return None
        if registered is None or registered.model.tokenizer_hash != self._tokenizer_hash:
            logs.warning("offer_refused", url=url, root=offer.model_root)
            return None
        return offer

    async def _header(self, name: str, offer: Offer) -> Model:
        registered = await self.registered(offer.model_root)
        if registered is None:
            raise model_not_found(name, sorted(self.catalogue.models()))
        return registered.model

    def _tokens(self, request: GenerationRequest, header: Model) -> list[int]:
        if isinstance(request.prompt, str):
            return self.tokenizer.encode(request.prompt)
        outside = [token for token in request.prompt if token >= header.vocab_size]
        if outside:
            raise InputError(
                f"token {outside[0]} is outside the vocabulary of {header.vocab_size}",
                code="invalid_value",
                param="prompt",
            )
        return list(request.prompt)
