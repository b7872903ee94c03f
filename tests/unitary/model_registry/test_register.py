"""ModelRegistry.register: content-addressed, once, with the verifier of its spec."""

from __future__ import annotations

from typing import Any

import boa
import pytest

from assay.core.hashes import model_root
from assay.core.types import NONE
from tests.support.market import VOCABULARY, Market, event, reverts, toy_model

NAME = {"config_hash": b"\x44" * 32}
"""What tells a test's model from the one that is registered already."""


def test_default_behavior(market: Market) -> None:
    model = toy_model(**NAME)
    root = bytes(market.models.register(model.abi(), sender=market.stranger))
    registered = event(market.models, "ModelRegistered")
    assert root == model_root(model) == market.models.model_root(model.abi())
    assert (registered.model_root, registered.verifier) == (root, market.verifier.address)
    assert registered.model.program_root == model.program_root
    assert list(registered.model.eos_tokens) == [49, 48]
    assert market.models.verifier_of(root) == market.verifier.address
    assert market.models.registered_at(root) == market.now


def test_keeps_its_verifier(market: Market) -> None:
    """A verifier for another spec version changes nothing for models there are."""
    market.models.add_verifier(2, market.bond_token, sender=market.owner)
    root = model_root(toy_model())
    assert market.models.verifier_of(root) == market.verifier.address


def test_any_field_changes_the_root(market: Market) -> None:
    registered = set()
    for field, value in (
        ("program_root", b"\x11" * 32),
        ("weights_root", b"\x11" * 32),
        ("tables_root", b"\x11" * 32),
        ("tokenizer_hash", b"\x11" * 32),
        ("config_hash", b"\x11" * 32),
        ("n_steps", 71),
        ("n_weights", 2),
        ("n_tables", 2),
        ("vocab_size", 51),
        ("context_length", 131_072),
        ("logit_fraction", 9),
        ("eos_tokens", (49,)),
        ("eos_tokens", ()),
    ):
        registered.add(bytes(market.models.register(toy_model(**{field: value}).abi())))
    assert len(registered) == 13


def test_a_model_without_a_noise_table(market: Market) -> None:
    """It draws no tokens: its output is an embedding."""
    model = toy_model(gumbel_table=NONE, n_tables=0, eos_tokens=())
    root = bytes(market.models.register(model.abi()))
    assert market.models.verifier_of(root) == market.verifier.address


def test_revert_already_registered(market: Market) -> None:
    market.models.register(toy_model(**NAME).abi())
    since = market.now
    boa.env.time_travel(seconds=100)
    with reverts("model_registry: already registered"):
        market.models.register(toy_model(**NAME).abi())
    assert market.models.registered_at(model_root(toy_model(**NAME))) == since


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"spec_version": 2}, "unknown spec version"),
        ({"n_steps": 0}, "no steps"),
        ({"vocab_size": 0}, "no vocabulary"),
        ({"context_length": 1}, "no context"),
        ({"context_length": 131_073}, "context too long"),
        ({"gumbel_table": 1}, "no such table"),
        ({"gumbel_table": NONE - 1}, "no such table"),
        ({"eos_tokens": (1, VOCABULARY)}, "end token outside the vocabulary"),
    ],
)
def test_revert_nonsense(market: Market, changes: dict[str, Any], reason: str) -> None:
    model = toy_model(**changes)
    with reverts(f"model_registry: {reason}"):
        market.models.register(model.abi())
    assert market.models.registered_at(model_root(model)) == 0
