"""The story: an answer that is right and is paid, then one that is wrong and is convicted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from assay.chain.dispute import Outcome
from assay.chain.game_view import GameView
from assay.chain.moves import read_move
from assay.core.errors import AssayError
from assay.demo.consumer import ask, fetch_receipt
from assay.demo.narrator import Narrator
from assay.demo.parties import balances, figures
from assay.demo.recompute import recomputation
from assay.demo.result import Demonstration, Game, Move, Served, Settled, Transaction
from assay.demo.scene import Options, set_scene
from assay.demo.stage import DemoFailed, Stage
from assay.demo.watch import GameWatch, as_transaction

BATCH_SECONDS = 45.0
MARGIN_SECONDS = 30.0  # beyond the challenge window, for a finalisation
GAME_SECONDS = 150.0


class Demo:
    """One run. `result` fills as the story goes on, so a failure leaves what was reached."""

    def __init__(self, stage: Stage, options: Options, narrator: Narrator) -> None:
        self._stage = stage
        self._options = options
        self._tell = narrator
        self.result = Demonstration(prompt=options.prompt, model="")

    def run(self) -> Demonstration:
        """Everything, in order. Raises what went wrong."""
        with self._timed("total"):
            with self._timed("setting up"):
                self._set_up()
            with self._timed("honest answer"):
                self._honest()
            with self._timed("lie"):
                self._lie()
        return self.result

    def _set_up(self) -> None:
        self._tell.chapter("A network on this machine")
        self._scene = scene = set_scene(self._stage, self._options, self._tell.working)
        result = self.result
        result.model = scene.commitment.model.name
        result.urls = scene.urls()
        deployment = scene.network.deployment
        result.contracts = {name: item.address for name, item in deployment.contracts.items()}
        self._before = figures(scene.network, scene.parties)
        parties = [(role, party.address) for role, party in scene.parties.items()]
        header = scene.commitment.header
        self._tell.fields(
            [
                *result.urls.items(),
                *parties,
                ("model", f"{result.model}, {header.n_steps} steps, {header.n_weights} weights"),
                ("model root", f"0x{scene.commitment.model_root.hex()}"),
            ]
        )

    def _honest(self) -> None:
        self._tell.chapter("An honest answer")
        served = self.result.honest = self._ask("honest provider")
        with self._tell.working("waiting for the provider's batch"):
            receipt = self._posted(served)
        batch = self._batch_transaction(receipt)
        self._tell.receipt(receipt)
        self._tell.transaction("batch posted by", batch)
        window = self._scene.network.settlement.window_seconds()
        with self._tell.working(f"challenge window of {window} s; the challenger recomputes"):
            self.result.settled = self._settled(receipt, batch, window)
        self._tell.settled(self.result.settled)

    def _lie(self) -> None:
        self._tell.chapter("A lie")
        scene, result = self._scene, self.result
        watch = GameWatch(
            scene.network,
            scene.parties["cheating provider"].address,
            {party.address: role for role, party in scene.parties.items()},
            self._tell.move,
        )
        self._tell.say(
            "This provider answers with a wrong first token, and alters one number of the "
            "computation behind it by one unit."
        )
        served = result.lie = self._ask("cheating provider")
        with self._tell.working("waiting for the provider's batch"):
            receipt = self._posted(served)
        result.lie_batch = self._batch_transaction(receipt)
        self._tell.transaction("batch posted by", result.lie_batch)
        self._tell.say("the challenger recomputes the answer and opens a game:")
        view = self._stage.wait_for("the end of the game", watch.poll, GAME_SECONDS)
        result.game = self._game(view, watch.moves, receipt)
        self._tell.verdict(result.game)
        result.convicted = view.outcome is Outcome.CHALLENGER_WON
        self._money(watch)
        if not result.convicted:
            raise DemoFailed(
                f"the cheating provider was not convicted: {result.game.reason}; see the logs in "
                f"{self._stage.folder}"
            )

    def _money(self, watch: GameWatch) -> None:
        scene, result = self._scene, self.result
        after = figures(scene.network, scene.parties)
        result.balances = balances(self._before, after)
        if watch.slash is not None:
            result.slash = watch.slash
            token = scene.network.bond_token
            self._tell.slash(watch.slash, token.symbol(), token.decimals())
        self._tell.balances(result.balances)

    def _ask(self, role: str) -> Served:
        options, scene = self._options, self._scene
        self._tell.prompt(options.prompt, f"the {role}")
        served = ask(
            scene.gateway_url,
            self.result.model,
            options.prompt,
            options.max_tokens,
            scene.parties[role].address,
            self._tell.piece,
        )
        self._tell.served(served)
        return served

    def _posted(self, served: Served) -> dict[str, Any]:
        """The gateway's receipt once its batch is on chain."""

        def probe() -> dict[str, Any] | None:
            receipt = fetch_receipt(self._scene.gateway_url, served.receipt_id)
            return receipt if receipt.get("batch") else None

        return self._stage.wait_for("the batch", probe, BATCH_SECONDS)

    def _settled(self, receipt: dict[str, Any], batch: Transaction, window: int) -> Settled:
        """Wait for the claim's finalisation and payment."""
        reader = self._scene.network.reader(batch.block)
        job_id = bytes.fromhex(receipt["id"][2:])

        def probe() -> Settled | None:
            found = {
                event.name: event
                for event in reader.poll().added
                if event.name in ("ClaimFinalised", "Paid") and event.args["job_id"] == job_id
            }
            if len(found) < 2:
                return None  # both are of one transaction
            final, paid = found["ClaimFinalised"], found["Paid"]
            return Settled(
                batch_id=receipt["batch"]["batch_id"],
                index=int(final.args["index"]),
                batch=batch,
                finalisation=self._transaction(final.transaction),
                paid_micro_usd=int(final.args["paid"]),
                fee_micro_usd=int(paid.args["fee"]),
            )

        return self._stage.wait_for("the finalisation", probe, window + MARGIN_SECONDS)

    def _game(self, view: GameView, moves: list[Move], receipt: dict[str, Any]) -> Game:
        disputed = view.record.token_index
        tokens = [*receipt["prompt"], *receipt["output"][:disputed]]
        scene = self._scene
        return Game(
            game_id=f"0x{view.game_id.hex()}",
            token_index=disputed,
            outcome=view.outcome.name.lower(),
            reason=view.reason,
            moves=moves,
            gas=sum(move.transaction.gas for move in moves),
            element=recomputation(scene.network, view, scene.commitment, tokens),
        )

    def _batch_transaction(self, receipt: dict[str, Any]) -> Transaction:
        """The transaction that posted a receipt's batch, by its event."""
        batch_id = bytes.fromhex(receipt["batch"]["batch_id"][2:])
        for event in self._scene.network.reader().poll().added:
            if event.name == "BatchPosted" and event.args["batch_id"] == batch_id:
                return self._transaction(event.transaction)
        raise DemoFailed(f"the gateway says that batch 0x{batch_id.hex()} is posted; it is not")

    def _transaction(self, transaction_hash: str) -> Transaction:
        return as_transaction(read_move(self._scene.network, transaction_hash))

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.result.seconds[what] = round(time.monotonic() - start, 1)


def demonstrate(
    options: Options, narrator: Narrator, keep: bool, done: Callable[[Demonstration], None]
) -> None:
    """Run the story and hand its result to `done`; with `keep`, stay until Ctrl-C.

    Whatever happens, no process is left behind.
    """
    with Stage() as stage:
        demo = Demo(stage, options, narrator)
        try:
            result = demo.run()
        except AssayError:
            narrator.say(f"logs are kept in {stage.folder}")
            raise
        narrator.say(", ".join(f"{name} {value:g} s" for name, value in result.seconds.items()))
        done(result)
        if keep:
            narrator.chapter("Left running; Ctrl-C ends it")
            narrator.fields([*result.urls.items(), ("files", str(stage.folder))])
            stage.watch()
