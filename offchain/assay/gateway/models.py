"""Model headers as the chain has them: no provider's word is taken for a context length."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from assay.chain.events import EventReader
from assay.chain.game_view import as_struct
from assay.chain.network import Network
from assay.core.types import Model

REGISTERED = "ModelRegistered"


@dataclass(frozen=True)
class Registered:
    model: Model
    at: int
    """Unix time of the registration."""


class ModelHeaders:
    """Headers by model root, read from `ModelRegistered` events when an unknown root turns up."""

    def __init__(self, network: Network) -> None:
        sources = [source for source in network.sources() if source.name == "ModelRegistry"]
        self._reader = EventReader(network.web3, sources, network.deployment.block)
        self._network = network
        self._lock = threading.Lock()
        self._known: dict[bytes, Registered] = {}

    def known(self, root: bytes) -> Registered | None:
        """A header that was read before; asks nobody."""
        return self._known.get(root)

    def find(self, root: bytes) -> Registered | None:
        """The registered header of a root; None if the chain does not know it."""
        with self._lock:
            if root not in self._known:
                self._read()
            return self._known.get(root)

    def _read(self) -> None:
        update = self._reader.poll()
        for event in (event for event in update.removed if event.name == REGISTERED):
            self._known.pop(bytes(event.args["model_root"]), None)
        for event in (event for event in update.added if event.name == REGISTERED):
            root = bytes(event.args["model_root"])
            header = as_struct(Model, event.args["model"])
            self._known[root] = Registered(header, self._network.models.registered_at(root))
