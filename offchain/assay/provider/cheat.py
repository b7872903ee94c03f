"""Deliberate lies for demonstrations and tests, on a local Anvil only.

An honest provider runs with `Honest`; each cheat overrides the one thing that it lies about.
`settings.cheat` names them:

    {"kind": "wrong_token", "index": 3}             another token than sampling gives
    {"kind": "silent", "index": 0}                  the same, and no answer to any game
    {"kind": "tamper", "step": "layer.0.q", "row": -1, "column": 0, "delta": 1, "index": 0}
                                                    a wrong token, over a trace with one element
                                                    off; of an encoder, the embedding of that trace
    {"kind": "wrong_prompt", "index": 1}            computes over another prompt than signed
    {"kind": "swapped_weight", "tensor": "layer.0.q.weight"}   exchanges two rows of a weight
    {"kind": "truncate", "drop": 2}                 ends early, without an end-of-text token
    {"kind": "wrong_count", "delta": 1}             claims more tokens than it committed to
    {"kind": "wrong_element", "column": 0, "delta": 1}   an embedding with one element off
    {"kind": "wrong_root"}                          claims an output that it has not
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from assay.core.errors import ConfigError
from assay.core.hashes import keccak
from assay.core.types import Op, Receipt
from assay.exact.model import ExactModel
from assay.trace.commitment import Commitment, ModelCommitment
from assay.trace.execute import Tamper
from assay.trace.pass_trace import PassTrace


class Honest:
    """Tells the truth everywhere."""

    answers_games = True
    held_back = 0
    """Tokens at the end of an output that are computed but never claimed."""

    def model(self, model: ExactModel) -> ExactModel:
        """The model that really computes."""
        return model

    def prompt(self, prompt: Sequence[int], vocab: int) -> list[int]:
        """The prompt that is really computed over."""
        return list(prompt)

    def token(self, index: int, token: int, vocab: int) -> int:
        """What is claimed as output token `index`."""
        return token

    def embedding(self, commitment: Commitment, prompt: Sequence[int], row: list[int]) -> list[int]:
        """What is claimed as the prompt's embedding, of which `row` is what was computed."""
        return row

    def receipt(self, receipt: Receipt) -> Receipt:
        return receipt

    def trace(
        self, commitment: Commitment, prompt: Sequence[int], output: Sequence[int]
    ) -> PassTrace:
        """The trace shown in a game about the token after prompt + output."""
        return PassTrace(commitment, [*prompt, *output])


class WrongToken(Honest):
    def __init__(self, index: int = 0) -> None:
        self._index = index

    def token(self, index: int, token: int, vocab: int) -> int:
        return (token + 1) % vocab if index == self._index else token


class Silent(WrongToken):
    answers_games = False


class TamperedTrace(WrongToken):
    """Rows and columns below zero count from the end, as the number of positions is not known."""

    def __init__(
        self, step: str | int, row: int = -1, column: int = -1, delta: int = 1, index: int = 0
    ) -> None:
        super().__init__(index)
        self._place = (step, row, column, delta)

    def trace(
        self, commitment: Commitment, prompt: Sequence[int], output: Sequence[int]
    ) -> PassTrace:
        step, row, column, delta = self._place
        number = find_step(commitment, step)
        positions = len(prompt) + len(output)
        rows, width = commitment.program.steps[number].shape(positions)
        tamper = Tamper(number, row % rows, column % width, delta)
        return PassTrace(commitment, [*prompt, *output], tamper)

    def embedding(self, commitment: Commitment, prompt: Sequence[int], row: list[int]) -> list[int]:
        shown: list[int] = self.trace(commitment, prompt, ()).tensors[-1].values[0].tolist()
        return shown


class WrongElement(Honest):
    def __init__(self, column: int = 0, delta: int = 1) -> None:
        self._column, self._delta = column, delta

    def embedding(self, commitment: Commitment, prompt: Sequence[int], row: list[int]) -> list[int]:
        wrong = list(row)
        wrong[self._column] += self._delta
        return wrong


class WrongRoot(Honest):
    def receipt(self, receipt: Receipt) -> Receipt:
        return replace(receipt, output_root=keccak(receipt.output_root))


class WrongPrompt(Honest):
    def __init__(self, index: int = 0) -> None:
        self._index = index

    def prompt(self, prompt: Sequence[int], vocab: int) -> list[int]:
        other = list(prompt)
        place = min(self._index, len(other) - 1)
        other[place] = (other[place] + 1) % vocab
        return other

    def trace(
        self, commitment: Commitment, prompt: Sequence[int], output: Sequence[int]
    ) -> PassTrace:
        vocab = commitment.header.vocab_size
        return PassTrace(commitment, [*self.prompt(prompt, vocab), *output])


class SwappedWeight(Honest):
    """Computes with two rows of a weight exchanged, and opens the committed ones in games."""

    def __init__(self, tensor: str, first: int = 0, second: int = 1) -> None:
        self._tensor = tensor
        self._rows = (first, second)

    def model(self, model: ExactModel) -> ExactModel:
        *path, leaf = self._tensor.split(".")
        if leaf != "weight":
            raise ConfigError(f"cheat tensor {self._tensor!r} does not end in .weight")
        if path == ["head"]:
            return replace(model, head=self._swapped(model.head))
        layer, name = int(path[1]), path[2]
        layers = list(model.layers)
        layers[layer] = replace(
            layers[layer], **{name: self._swapped(getattr(layers[layer], name))}
        )
        return replace(model, layers=tuple(layers))

    def trace(
        self, commitment: Commitment, prompt: Sequence[int], output: Sequence[int]
    ) -> PassTrace:
        if not isinstance(commitment, ModelCommitment):
            raise ConfigError("the cheat swapped_weight is for decoders; this is an encoder")
        dishonest = copy.copy(commitment)
        dishonest.program = ModelCommitment(self.model(commitment.model)).program
        return PassTrace(dishonest, [*prompt, *output])

    def _swapped(self, linear: Any) -> Any:
        weight = linear.weight.copy()
        weight[list(self._rows)] = weight[list(reversed(self._rows))]
        return replace(linear, weight=weight)


class Truncated(Honest):
    def __init__(self, drop: int = 1) -> None:
        self.held_back = drop


class WrongCount(Honest):
    def __init__(self, delta: int = 1) -> None:
        self._delta = delta

    def receipt(self, receipt: Receipt) -> Receipt:
        return replace(receipt, output_tokens=max(receipt.output_tokens + self._delta, 1))


KINDS: dict[str, type[Honest]] = {
    "wrong_token": WrongToken,
    "silent": Silent,
    "tamper": TamperedTrace,
    "wrong_prompt": WrongPrompt,
    "swapped_weight": SwappedWeight,
    "truncate": Truncated,
    "wrong_count": WrongCount,
    "wrong_element": WrongElement,
    "wrong_root": WrongRoot,
}


def make_cheat(description: Mapping[str, Any] | None) -> Honest:
    """The behaviour that `settings.cheat_description` names; None is honest."""
    if description is None:
        return Honest()
    options = dict(description)
    kind = options.pop("kind")
    if kind not in KINDS:
        raise ConfigError(f"unknown cheat {kind!r}; known: {', '.join(KINDS)}")
    try:
        return KINDS[kind](**options)
    except TypeError as error:
        raise ConfigError(f"cheat {kind!r}: {error}") from error


def find_step(commitment: Commitment, step: str | int) -> int:
    """A step by its index, its name (`layer.0.q`), or an opcode's name (its first step)."""
    program = commitment.program
    if isinstance(step, int):
        return step % len(program.steps)
    if step.upper() in Op.__members__:
        opcode = Op[step.upper()]
        return next(i for i, s in enumerate(program.steps) if s.opcode == opcode)
    try:
        return program.step_named(step)
    except KeyError as error:
        raise ConfigError(f"cheat: {error.args[0]}") from error
