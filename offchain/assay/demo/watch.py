"""Follows one provider's game on chain: its moves with their gas, as they happen, and its end."""

from __future__ import annotations

from collections.abc import Callable

from assay.chain.events import Event, EventReader
from assay.chain.game_view import GameView, read_game
from assay.chain.moves import MinedMove, describe, read_move
from assay.chain.network import Network
from assay.demo.result import Move, Slash, Transaction

ENDS = ("GameResolved", "GameClosed")


class GameWatch:
    """Poll it; it narrates each new move once.

    Parameters: `provider` whose game is followed, `labels` of known addresses, `tell` is
    called for every move.
    """

    def __init__(
        self,
        network: Network,
        provider: str,
        labels: dict[str, str],
        tell: Callable[[Move], None],
    ) -> None:
        self._network = network
        self._reader: EventReader = network.reader()
        self._provider = provider
        self._labels = labels
        self._tell = tell
        self._game_id: bytes | None = None
        self._seen: set[str] = set()
        self.moves: list[Move] = []
        self.slash: Slash | None = None

    def poll(self) -> GameView | None:
        """Look once; the finished game's view when it is over."""
        over = False
        for event in self._reader.poll().added:
            if event.name == "GameOpened" and event.args["provider"] == self._provider:
                self._game_id = self._game_id or bytes(event.args["game_id"])
            if self._game_id is not None and event.args.get("game_id") == self._game_id:
                over = over or event.name in ENDS
                self._note(event)
            if event.name == "Slashed" and event.args["provider"] == self._provider:
                self.slash = _slash(event)
        return read_game(self._network, self._game_id) if over and self._game_id else None

    def _note(self, event: Event) -> None:
        if event.transaction in self._seen or event.name == "Standing":
            return
        self._seen.add(event.transaction)
        mined = read_move(self._network, event.transaction)
        by = self._labels.get(mined.sender, mined.sender)
        move = Move(mined.function, by, describe(event), as_transaction(mined))
        self.moves.append(move)
        self._tell(move)


def as_transaction(mined: MinedMove) -> Transaction:
    """A mined transaction as the result shows it."""
    return Transaction(mined.hash, mined.block, mined.gas, mined.sender, mined.calldata_bytes)


def _slash(event: Event) -> Slash:
    reward, burned = int(event.args["reward"]), int(event.args["burned"])
    return Slash(reward + burned, reward, burned)
