"""What the chain says of providers: bonds, convictions, and where they serve. Read seldom.

Bonds are read provider by provider, of those that offer something; convictions and URLs come from
the registry's `Slashed` and `Announced` events since the deployment.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from assay.chain.events import Event, EventReader
from assay.chain.network import Network
from assay.core.errors import DeepReorganisation, InputError
from assay.gateway.routing.addresses import checked_url

STANDING_SECONDS = 15.0
SLASHED, ANNOUNCED = "Slashed", "Announced"
MAX_ANNOUNCERS = 256
"""Of those that announce a URL, so many are looked at, the oldest first."""


@dataclass(frozen=True)
class Standing:
    """`bond`: bonded, in units of ASSAY; None if it was not read yet. `convictions`: claims that
    were proven wrong."""

    bond: int | None = None
    convictions: int = 0


UNKNOWN = Standing()


class StandingReader:
    """Standing of providers by address. Safe to share between threads; one reads at a time."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._lock = threading.Lock()
        self._convictions: Counter[str] = Counter()
        self._said: dict[str, list[str]] = {}
        self._announced: Mapping[str, frozenset[str]] = {}
        self._known: dict[str, Standing] = {}
        self._read_at = float("-inf")
        self._reader = self._make_reader()

    @property
    def known(self) -> Mapping[str, Standing]:
        return self._known

    @property
    def announced(self) -> Mapping[str, frozenset[str]]:
        """Providers with a bond by the URL that they announced last."""
        return self._announced

    def is_old(self, addresses: Iterable[str], now: float) -> bool:
        return now - self._read_at >= STANDING_SECONDS or any(
            address not in self._known for address in addresses
        )

    def refresh(self, addresses: Iterable[str], now: float) -> None:
        """Read the chain; ChainError leaves what was known."""
        with self._lock:
            if not self.is_old(addresses, now):
                return
            self._read_at = now
            self._read_events()
            speaking = [address for address, said in self._said.items() if said and said[-1]]
            wanted = {*addresses, *speaking[:MAX_ANNOUNCERS]}
            self._known = {address: self._standing(address) for address in wanted}
            self._announced = self._places()

    def _places(self) -> Mapping[str, frozenset[str]]:
        found: dict[str, set[str]] = {}
        for address, said in self._said.items():
            if said and said[-1] and self._known.get(address, UNKNOWN).bond:
                with suppress(InputError):  # some text that is no URL
                    found.setdefault(checked_url(said[-1]), set()).add(address)
        return {url: frozenset(addresses) for url, addresses in found.items()}

    def _standing(self, address: str) -> Standing:
        bond = self._network.providers.bonded(address)
        return replace(UNKNOWN, bond=bond, convictions=self._convictions[address])

    def _read_events(self) -> None:
        try:
            update = self._reader.poll()
        except DeepReorganisation:  # count anew
            self._reader = self._make_reader()
            self._convictions.clear()
            self._said.clear()
            update = self._reader.poll()
        for event in update.removed:  # newest first
            self._take_in(event, -1)
        for event in update.added:
            self._take_in(event, 1)

    def _take_in(self, event: Event, sign: int) -> None:
        provider = str(event.args["provider"])
        if event.name == SLASHED:
            self._convictions[provider] += sign
        elif sign > 0:
            self._said.setdefault(provider, []).append(str(event.args["url"]))
        elif self._said.get(provider):
            self._said[provider].pop()

    def _make_reader(self) -> EventReader:
        network = self._network
        (source,) = (s for s in network.sources() if s.name == "ProviderRegistry")
        read = [entry for entry in source.abi if entry.get("name") in (SLASHED, ANNOUNCED)]
        return EventReader(
            network.web3,
            [replace(source, abi=read)],
            network.deployment.block,
            network.reorg_depth,
        )
