"""Who is there: asks providers what they offer, all the time, so that requests need not wait.

A provider that twice does not answer is left out until it does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence

from fastapi.concurrency import run_in_threadpool

from assay.core import logs
from assay.core.errors import AssayError
from assay.gateway.client import Client
from assay.gateway.models import ModelHeaders
from assay.gateway.prompts import Prompts
from assay.gateway.routing.router import Router
from assay.gateway.upstream import Offer, fetch_offers

TURN_SECONDS = 1.0


class Directory:
    """Keeps the router's catalogue, and what the chain says of providers, up to date.

    Args:
        urls: of the settings.
    """

    def __init__(
        self,
        urls: Sequence[str],
        client: Client,
        router: Router,
        headers: ModelHeaders,
        prompts: Prompts,
    ) -> None:
        self._urls = tuple(dict.fromkeys(urls))
        self._client = client
        self._router = router
        self._headers = headers
        self._prompts = prompts
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.turn()
            await asyncio.sleep(TURN_SECONDS)

    async def turn(self) -> None:
        """Learn what is not known, or was learnt too long ago."""
        await self.refresh()
        await self._read_standing()

    async def refresh(self) -> None:
        """Ask the providers whose offers are old, and those that were silent."""
        urls = self._known()
        self._router.catalogue.keep(urls)
        stale = self._router.catalogue.stale(urls, time.monotonic())
        await asyncio.gather(*map(self._asked, stale))

    async def meet(self) -> None:
        """Ask the providers that were never asked: the first request waits for them."""
        if not self._router.catalogue.asked_at.keys() >= set(self._urls):
            await self.refresh()

    def _known(self) -> Mapping[str, frozenset[str] | None]:
        """URLs, each with the providers that announced it on chain; None for those of the
        settings, where anybody may serve."""
        standing = self._router.standing
        announced = standing.announced if standing else {}
        return {**announced, **dict.fromkeys(self._urls)}

    async def _read_standing(self) -> None:
        standing = self._router.standing
        addresses = self._router.catalogue.heard()
        now = time.monotonic()
        if standing is None or not standing.is_old(addresses, now):
            return
        try:
            await run_in_threadpool(standing.refresh, addresses, now)
        except AssayError as error:
            logs.warning("standing_unread", error=error.message)

    def _asked(self, url: str) -> asyncio.Task[None]:
        """The question that is under way there, or a new one."""
        task = self._asking.get(url)
        if task is None:
            task = self._asking[url] = asyncio.create_task(self._ask(url))
            task.add_done_callback(lambda _: self._asking.pop(url, None))
        return task

    async def _ask(self, url: str) -> None:
        catalogue = self._router.catalogue
        try:
            offers = await fetch_offers(self._client, url)
            by = self._known().get(url)
            expected = [o for o in offers if by is None or o.address in by]
            offers = [offer for offer in expected if await self._can_serve(offer)]
        except AssayError as error:
            logs.warning("provider_unavailable", url=url, error=error.message)
            catalogue.missed(url, time.monotonic())
        else:
            catalogue.update(url, offers, time.monotonic())

    async def _can_serve(self, offer: Offer) -> bool:
        """Whether the model is registered, its tokenizer known, and the offer for what it gives."""
        registered = await run_in_threadpool(self._headers.find, offer.model_root)
        if (
            registered is not None
            and self._prompts.knows(registered.model)
            and registered.model.embeds == offer.embeds
        ):
            return True
        logs.warning("offer_refused", url=offer.url, root=offer.model_root)
        return False
