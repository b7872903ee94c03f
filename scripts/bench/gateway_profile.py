"""Where our gateway's time goes under load: py-spy's samples of who held the interpreter's lock."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from scripts.bench import gateway_peers
from scripts.bench.conditions import print_table, stderr
from scripts.bench.gateway_load import drive
from scripts.bench.gateway_sides import (
    OUTPUT_TOKENS,
    Town,
    bodies,
    processor_seconds,
)

TOP = 45
PROMPTS = 64


def show(place: Town, seconds: float, connections: int, stream: bool) -> None:
    """Print the functions with the largest shares; the stacks stay in `.bench/gateway/`."""
    direct = place.upstream()
    side = place.gateway(direct.target.url.removesuffix("/v1"))
    asked = bodies(place.tokenizer, PROMPTS, stream, OUTPUT_TOKENS)
    drive(side.target, asked, connections, 1.0)
    out = gateway_peers.HOME / "gateway.stacks"
    spy = gateway_peers.py_spy(side.process.pid, seconds, out)
    before = processor_seconds(side.process)
    load = drive(side.target, asked, connections, seconds)
    used = processor_seconds(side.process) - before
    spy.wait()
    if load.failed:
        raise SystemExit(f"{load.failed} requests failed; the first: {load.failure}")
    stderr.print(
        f"{load.rate:.0f} requests/s, {used * 1e3 / load.counted:.2f} ms of processor a request, "
        f"p50 {load.milliseconds(50):.2f} ms, p99 {load.milliseconds(99):.2f} ms"
    )
    inclusive, own, total = counts(out)
    for title, counter in (("with what it calls", inclusive), ("itself", own)):
        rows = [
            {"share": f"{count / total:.1%}", "function": name}
            for name, count in counter.most_common(TOP)
        ]
        print_table(title, ("share", "function"), rows)
    stderr.print(f"stacks: {out}")


def counts(stacks: Path) -> tuple[Counter[str], Counter[str], int]:
    """Samples of each function with what it calls, and by itself; and all samples."""
    inclusive: Counter[str] = Counter()
    own: Counter[str] = Counter()
    total = 0
    for line in stacks.read_text().splitlines():
        stack, _, number = line.rpartition(" ")
        frames = [_function(frame) for frame in stack.split(";")]
        total += int(number)
        own[frames[-1]] += int(number)
        for frame in set(frames):
            inclusive[frame] += int(number)
    return inclusive, own, total


def _function(frame: str) -> str:
    """Name and file, without the line, so that a function counts once."""
    name, _, place = frame.partition(" (")
    return f"{name} ({place.rpartition(':')[0] or place.rstrip(')')})" if place else name
