"""Looks at the models: that they load, are registered and fit, and compute the right bits."""

from __future__ import annotations

from dataclasses import replace

from assay.core.errors import EnvironmentMissing
from assay.core.types import TEMPERATURE_ONE, SamplingParams
from assay.core.wire import hexed
from assay.engine.encoder import Encoder
from assay.engine.engine import Engine
from assay.engine.gpu import device
from assay.engine.memory import GIB, available_memory
from assay.engine.sharing import share_out
from assay.exact import sampling
from assay.exact.model import ExactModel
from assay.provider.cheat import Honest
from assay.provider.doctor.checkup import Finding, Look, Subject, Verdict, fail, ok, warn
from assay.provider.fleet.cluster import Cluster
from assay.provider.shops import Loaded, ready, wants
from assay.trace.commitment import commit
from assay.trace.execute import execute

TEST_TOKENS = 3
"""Recomputed by the reference, which takes a whole slow pass for each."""
SEED = bytes(range(32))


def checkpoints(subject: Subject) -> Finding:
    names = [f"{each.model.name} from {each.listing.path}" for each in subject.models]
    return ok("; ".join(names))


def registered(subject: Subject) -> Finding:
    """Whoever challenges needs the header on chain; without it no claim is paid."""
    missing: list[str] = []
    found: list[str] = []
    for each in subject.models:
        root = commit(each.model).model_root
        text = f"{each.model.name} {hexed(root)}"
        (found if subject.network.models.registered_at(root) else missing).append(text)
    if missing:
        return fail(
            f"not registered: {', '.join(missing)}",
            "`assay model register PATH` publishes a model's header, once for everybody",
        )
    return ok(", ".join(found))


def memory(subject: Subject) -> Finding:
    """What weights, working memory and caches take at most, foretold."""
    if subject.settings.fleet:
        return Finding(Verdict.skip, "the workers of a fleet compute, each with its own memory")
    wanted = wants(subject.models, subject.settings)
    try:
        share_out(wanted)
    except EnvironmentMissing:
        if subject.process is None:
            raise
        return warn(
            f"process {subject.process} serves, and beside it there is no room for a second copy",
            "stop it to have the memory foretold",
        )
    least = sum(each.least for each in wanted) / GIB
    more = sum(each.more for each in wanted) / GIB
    available = available_memory(wanted[0].kind)
    room = "unknown" if available is None else f"{available / GIB:.2f} GiB"
    return ok(f"{least:.2f} GiB at least, {more:.2f} more for full batches; available: {room}")


def backend(subject: Subject) -> Finding:
    """What computes."""
    kinds = {each.kind for each in wants(subject.models, subject.settings)}
    if device.available() and not device.interpreted() and "triton" not in kinds:
        return warn(
            f"a GPU is there, and {', '.join(sorted(kinds))} computes",
            'set ASSAY_BACKEND to "auto", or look why its kernels do not suit the models',
        )
    return ok(", ".join(sorted(kinds)))


def fleet(subject: Subject) -> Finding:
    """That a cluster answers, and what it has."""
    settings = subject.settings
    if settings.fleet is None:
        return ok("none: this machine computes")
    cluster = Cluster(settings.fleet, settings.fleet_processors, settings.fleet_gpus)
    try:
        processors, gpus = cluster.resources()
    finally:
        cluster.close()
    found = f"{processors:g} processors and {gpus:g} GPUs at {settings.fleet}"
    needed = settings.fleet_least * len(subject.models)
    if processors < needed * settings.fleet_processors or gpus < needed * settings.fleet_gpus:
        return warn(
            f"{found}; {needed} workers need {needed * settings.fleet_processors:g} and "
            f"{needed * settings.fleet_gpus:g}",
            "let machines join (`ray start --address=…`), or lower fleet_least",
        )
    return ok(found)


def self_test(subject: Subject) -> Finding:
    """A few tokens of each model, from the engine and from the reference arithmetic."""
    small = subject.settings.model_copy(update={"fleet": None, "engine_process": False})
    one = [replace(each, listing=replace(each.listing, max_running=1)) for each in subject.models]
    wrong = [each.model.name for each in ready(one, small, Honest()) if not _agrees(each)]
    if wrong:
        return fail(
            f"engine and reference disagree on {', '.join(wrong)}: its claims would be slashed",
            'do not serve; try ASSAY_BACKEND="torch", test the memory, and report it',
        )
    return ok(f"{TEST_TOKENS} tokens of each model are the reference's, bit for bit")


def _agrees(loaded: Loaded) -> bool:
    vocab = loaded.commitment.header.vocab_size
    prompt = [vocab // 2, vocab // 3, vocab // 5]
    if isinstance(loaded.engine, Encoder):
        row = execute(loaded.commitment.program, prompt)[-1][0]
        return bool((loaded.engine.embed(prompt) == row).all())
    assert isinstance(loaded.engine, Engine), "nobody else computes a self-test"
    params = SamplingParams(TEST_TOKENS, TEMPERATURE_ONE, SEED)
    output = list(loaded.engine.generate(prompt, params))
    return all(
        token == _reference(loaded, [*prompt, *output[:index]], index)
        for index, token in enumerate(output)
    )


def _reference(loaded: Loaded, tokens: list[int], index: int) -> int:
    """The token that follows, by the slow arithmetic that contracts repeat."""
    logits = execute(loaded.commitment.program, tokens)[-1][0]
    assert isinstance(loaded.model, ExactModel)
    fraction, gumbel = loaded.model.logit_fraction, loaded.model.gumbel
    return sampling.sample(logits, TEMPERATURE_ONE, fraction, SEED, index, gumbel)


LOOKS = (
    Look("checkpoints", (), checkpoints),
    Look("backend", ("checkpoints",), backend),
    Look("memory", ("checkpoints", "backend"), memory),
    Look("fleet", ("checkpoints",), fleet),
    Look("models registered", ("contracts", "checkpoints"), registered),
    Look("self-test", ("memory",), self_test),
)
