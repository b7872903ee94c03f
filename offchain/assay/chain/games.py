"""Opens games and plays typed moves: from `core.game`'s words to the contract's arguments.

A move says what its player decides; everything else that the contract wants to see again (the
pass, the step, the siblings of a picked node) is taken from the game's own record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from assay.chain.dispute import Element
from assay.chain.game_view import GameView, read_game
from assay.chain.network import Network
from assay.chain.sender import Mined
from assay.core.errors import ChainError, ConfigError
from assay.core.game import (
    Answer,
    ChallengerMove,
    ChallengeSample,
    Close,
    PickElement,
    PickNode,
    ProveChunk,
    ProveCombine,
    ProveElement,
    ProveSample,
    ProviderMove,
    RevealNodes,
    RevealStep,
    RevealTile,
    Timeout,
)
from assay.core.merkle import MerkleTree
from assay.core.types import Job, Model, Pass, Receipt, Step

Move = ChallengerMove | ProviderMove


class Games:
    """The dispute game for one account."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self._since: dict[bytes, int] = {}

    def view(self, game_id: bytes) -> GameView:
        """The game at the newest block; InputError if there is none of this id."""
        view = read_game(self.network, game_id, self._since.get(game_id))
        # A reorganisation may move the opening: next time, look again from a little earlier.
        opened = view.events[0].block_number - self.network.reorg_depth
        self._since[game_id] = max(opened, self.network.deployment.block)
        return view

    def open(
        self,
        batch_id: bytes,
        index: int,
        receipt: Receipt,
        proof: Sequence[bytes],
        job: Job,
        model: Model,
        token_index: int,
        salt: bytes,
    ) -> tuple[bytes, Mined]:
        """Challenge output token `token_index`; approves the bond if need be."""
        network = self.network
        if network.sender is None:
            raise ConfigError("a game needs an account; set ASSAY_KEYSTORE")
        challenger = network.sender.address
        bond = network.game.bond_against(job.provider)
        network.bond_token.ensure_allowance(challenger, network.game.address, bond)
        mined = network.game.open(batch_id, index, receipt, proof, job, model, token_index, salt)
        claim_id = network.settlement.claim_id(batch_id, index)
        return network.game.game_id(claim_id, token_index, challenger, salt), mined

    def play(self, view: GameView, move: Move) -> Mined:
        """Send a move; a move out of turn or a false one raises ContractReverted."""
        return _SENDERS[type(move)](self.network, view, move)


def picked_path(view: GameView, child: int) -> tuple[bytes, ...]:
    """Siblings of a child shown, up to the node that the children were shown for."""
    return tuple(MerkleTree(view.state.children).path(child))


def _answer(network: Network, view: GameView, move: Answer) -> Mined:
    return network.game.answer(
        view.standing, move.pass_, move.ending, move.children, move.token, move.previous
    )


def _pick_node(network: Network, view: GameView, move: PickNode) -> Mined:
    children = view.state.children
    if not 0 <= move.child < len(children):
        raise ChainError(
            f"game 0x{view.game_id.hex()}: child {move.child} of {len(children)} shown nodes; "
            "read the game again"
        )
    path = picked_path(view, move.child)
    return network.game.pick_node(view.standing, move.child, children[move.child], path)


def _challenge_sample(network: Network, view: GameView, move: ChallengeSample) -> Mined:
    return network.game.challenge_sample(view.standing, _pass(view), move.rival)


def _reveal_nodes(network: Network, view: GameView, move: RevealNodes) -> Mined:
    return network.game.reveal_nodes(view.standing, move.children)


def _reveal_step(network: Network, view: GameView, move: RevealStep) -> Mined:
    return network.game.reveal_step(
        view.standing, _pass(view), move.step, move.program_path, move.children
    )


def _reveal_tile(network: Network, view: GameView, move: RevealTile) -> Mined:
    return network.game.reveal_tile(view.standing, move.data)


def _pick_element(network: Network, view: GameView, move: PickElement) -> Mined:
    return network.game.pick_element(view.standing, move.element, view.state.tile, move.partials)


def _prove_element(network: Network, view: GameView, move: ProveElement) -> Mined:
    step, element = _disputed(view)
    return network.game.prove_element(
        view.standing, _pass(view), step, element, move.openings, move.token
    )


def _prove_combine(network: Network, view: GameView, move: ProveCombine) -> Mined:
    step, element = _disputed(view)
    return network.game.prove_combine(view.standing, _pass(view), step, element, move.openings)


def _prove_chunk(network: Network, view: GameView, move: ProveChunk) -> Mined:
    step, element = _disputed(view)
    return network.game.prove_chunk(
        view.standing, _pass(view), step, element, move.chunk, move.openings
    )


def _prove_sample(network: Network, view: GameView, move: ProveSample) -> Mined:
    return network.game.prove_sample(view.standing, _pass(view), move.token, move.openings)


def _timeout(network: Network, view: GameView, move: Timeout) -> Mined:
    return network.game.timeout(view.standing)


def _close(network: Network, view: GameView, move: Close) -> Mined:
    return network.game.close(view.standing)


def _pass(view: GameView) -> Pass:
    """The pass of a game that has been answered."""
    if view.pass_ is None:
        raise ChainError(
            f"game 0x{view.game_id.hex()} is at {view.state.phase.name}: it has no answer yet; "
            "read the game again"
        )
    return view.pass_


def _disputed(view: GameView) -> tuple[Step, Element]:
    """Step and element of a game that has come so far."""
    if view.step is None or view.element is None:
        raise ChainError(
            f"game 0x{view.game_id.hex()} is at {view.state.phase.name}: no element is picked "
            "yet; read the game again"
        )
    return view.step, view.element


_SENDERS: dict[type[Any], Callable[[Network, GameView, Any], Mined]] = {
    Answer: _answer,
    PickNode: _pick_node,
    ChallengeSample: _challenge_sample,
    RevealNodes: _reveal_nodes,
    RevealStep: _reveal_step,
    RevealTile: _reveal_tile,
    PickElement: _pick_element,
    ProveElement: _prove_element,
    ProveCombine: _prove_combine,
    ProveChunk: _prove_chunk,
    ProveSample: _prove_sample,
    Timeout: _timeout,
    Close: _close,
}
