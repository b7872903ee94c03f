"""What the gateway adds to a request, beside LiteLLM's proxy and a direct connection.

    scripts/bench/gateway [--out FILE] [--seconds S] [--rounds N] [--connections N …]
                          [--requests N] [--only PART …] [--without litellm]
    scripts/bench/gateway --profile [--seconds S] [--connections N] [--stream]

Prints one JSON document on stdout and tables on stderr, ratios first. The upstream is one server
with canned answers of 16 tokens; for our gateway it is a provider with real signatures
(`gateway_upstream`). Direct connection, our gateway and LiteLLM's proxy, one process each, take
turns under one generator (`gateway_load`); figures are medians over the rounds. Where other
programs share the processors, `processor_ms` (of the gateway's own process, a request) says more
than the times.

requests      requests a second and milliseconds of whole answers, by connections; `added` is over
              the direct connection's same percentile
first_token   milliseconds to the first text of a streamed answer
memory        resident memory of our gateway over `--requests` requests
engine        tokens a second of the shipped model: the engine alone, and through gateway and
              provider, as many requests together
large_engine  the same with 360 million random weights

`--profile` looks into our gateway under load with py-spy and prints where its time goes.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from scripts.bench import gateway_engine, gateway_peers, gateway_profile, gateway_shapes
from scripts.bench.conditions import machine, print_table, stderr, versions
from scripts.bench.gateway_load import Load, drive
from scripts.bench.gateway_sides import (
    ASSAY,
    DIRECT,
    LITELLM,
    OUTPUT_TOKENS,
    Side,
    Town,
    bodies,
    processor_seconds,
    resident,
    town,
)

PARTS = ("requests", "first_token", "memory", "engine", "large_engine")
ENGINES = ("engine", "large_engine")
PERCENTILES = (50, 95, 99)
PACKAGES = ("aiohttp", "fastapi", "httptools", "sqlalchemy", "uvicorn", "uvloop")
PROMPTS = 64
MEMORY_CONNECTIONS = 16
MEMORY_POINTS = 20

Row = dict[str, Any]


def main() -> None:
    options = _options()
    with town() as place:
        if options.profile:
            gateway_profile.show(place, options.seconds, options.connections[0], options.stream)
            return
        document: dict[str, Any] = {
            "command": shlex.join(["scripts/bench/gateway", *sys.argv[1:]]),
            "machine": machine() | {"load_at_start": round(os.getloadavg()[0], 2)},
            "versions": versions(PACKAGES) | {"peers": list(gateway_peers.LITELLM)},
            "output_tokens": OUTPUT_TOKENS,
            "ratios": {},
        }
        measure(place, options, document)
    if "large_engine" in options.only:
        stderr.print("drawing and committing to 360 million weights …")
        with town(gateway_shapes.write_checkpoint) as place:
            document["large_engine"] = gateway_engine.measure(
                place, options.rounds, options.seconds
            )
    document["machine"]["load_at_end"] = round(os.getloadavg()[0], 2)
    document["ratios"] = ratios(document)
    text = json.dumps(document, indent=2)
    if options.out:
        options.out.write_text(text + "\n")
    print(text)
    show(document)


def measure(place: Town, options: argparse.Namespace, document: dict[str, Any]) -> None:
    """Add the parts that were asked for."""
    if set(options.only) - set(ENGINES):
        sides = open_sides(place, options.without or ())
        if "requests" in options.only:
            document["requests"] = compare(place, sides, options, stream=False)
        if "first_token" in options.only:
            document["first_token"] = compare(place, sides, options, stream=True)
        if "memory" in options.only:
            ours = next(side for side in sides if side.name == ASSAY)
            document["memory"] = memory(place, ours, options.requests)
        for side in sides:
            side.process.stop()
    if "engine" in options.only:
        stderr.print("the engine, alone and through the gateway …")
        document["engine"] = gateway_engine.measure(place, options.rounds, options.seconds)


def open_sides(place: Town, without: Iterable[str]) -> list[Side]:
    direct = place.upstream()
    url = direct.target.url.removesuffix("/v1")
    sides = [direct, place.gateway(url)]
    if LITELLM not in without:
        sides.append(place.litellm(url))
    return sides


def compare(
    place: Town, sides: Sequence[Side], options: argparse.Namespace, stream: bool
) -> list[Row]:
    """A row for each side and number of connections, medians of the rounds."""
    asked = bodies(place.tokenizer, PROMPTS, stream, OUTPUT_TOKENS)
    found: dict[tuple[int, str], list[Row]] = {}
    for turn in range(options.rounds):
        for connections in options.connections:
            for side in sides:
                kind = "streams" if stream else "answers"
                stderr.print(
                    f"round {turn + 1} of {options.rounds}: {side.name}, {kind}, {connections}"
                )
                before = processor_seconds(side.process)
                load = drive(side.target, asked, connections, options.seconds)
                used = processor_seconds(side.process) - before
                row = measured(load, used, side.name, stream)
                found.setdefault((connections, side.name), []).append(row)
    rows = [
        {"connections": connections, "side": name, **medians(runs)}
        for (connections, name), runs in found.items()
    ]
    return added(rows)


def measured(load: Load, processor: float, side: str, stream: bool) -> Row:
    """One run's figures; a side that fails requests is not measured."""
    if load.failed or not load.whole:
        raise SystemExit(f"{side} failed {load.failed} requests; the first: {load.failure}")
    of = load.first_milliseconds if stream else load.milliseconds
    return {
        "requests_per_second": load.rate,
        **{f"p{percent}_ms": of(percent) for percent in PERCENTILES},
        "processor_ms": processor * 1e3 / load.counted,
    }


def medians(runs: Sequence[Row]) -> Row:
    return {name: round(median(run[name] for run in runs), 3) for name in runs[0]}


def added(rows: Sequence[Row]) -> list[Row]:
    """With what each percentile is above the direct connection's."""
    direct = {row["connections"]: row for row in rows if row["side"] == DIRECT}
    return [
        row
        | {
            f"added_p{percent}_ms": round(
                row[f"p{percent}_ms"] - direct[row["connections"]][f"p{percent}_ms"], 3
            )
            for percent in PERCENTILES
            if row["side"] != DIRECT
        }
        for row in rows
    ]


def memory(place: Town, side: Side, requests: int) -> dict[str, Any]:
    """Resident MiB after every twentieth of the requests, and the growth over the last half."""
    stderr.print(f"memory over {requests:,} requests …")
    asked = bodies(place.tokenizer, PROMPTS, False, OUTPUT_TOKENS)
    points: list[Row] = [{"requests": 0, "mib": round(resident(side.process), 1)}]
    share = max(requests // MEMORY_POINTS, 1)
    for number in range(1, MEMORY_POINTS + 1):
        load = drive(side.target, asked, MEMORY_CONNECTIONS, 3600, limit=share)
        measured(load, 0.0, side.name, False)
        points.append({"requests": number * share, "mib": round(resident(side.process), 1)})
    half = points[len(points) // 2]
    return {
        "requests": share * MEMORY_POINTS,
        "grown_in_last_half_mib": round(points[-1]["mib"] - half["mib"], 1),
        "resident": points,
    }


def ratios(document: dict[str, Any]) -> dict[str, Any]:
    """What the targets are about."""
    found: dict[str, Any] = {}
    for part in ("requests", "first_token"):
        rows = {(row["connections"], row["side"]): row for row in document.get(part, ())}
        for connections, name in rows:
            ours = rows[connections, ASSAY]
            if name == ASSAY:
                found[f"{part}_{connections}_added_p50_ms"] = ours["added_p50_ms"]
            if name == LITELLM:
                found |= _over(f"{part}_{connections}", ours, rows[connections, name])
    if "memory" in document:
        found["memory_grown_mib"] = document["memory"]["grown_in_last_half_mib"]
    for part in ENGINES:
        if part in document:
            found[f"{part}_share"] = document[part]["through_gateway_over_alone"]
            found[f"{part}_share_with_a_queue"] = document[part]["with_a_queue_over_alone"]
    return found


def _over(name: str, ours: Row, theirs: Row) -> Row:
    names = ("requests_per_second", "added_p50_ms", "added_p99_ms", "processor_ms")
    return {f"{name}_{key}_over_litellm": round(ours[key] / theirs[key], 3) for key in names}


def show(document: dict[str, Any]) -> None:
    rows = [{"ratio": name, "value": value} for name, value in document["ratios"].items()]
    print_table("ratios", ("ratio", "value"), rows)
    for part in ("requests", "first_token"):
        if part in document:
            print_table(part.replace("_", " "), list(document[part][-1]), document[part])
    if "memory" in document:
        print_table("memory", ("requests", "mib"), document["memory"]["resident"])
    for part in ENGINES:
        if part in document:
            print_table(part, ("side", "tokens_per_second"), document[part]["rates"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="What the gateway adds to a request.")
    parser.add_argument("--out", type=Path, help="also write the JSON to this file")
    parser.add_argument("--seconds", type=float, default=5.0, help="time of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="turns of what is compared")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--requests", type=int, default=100_000, help="of the memory's part")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--without", nargs="+", choices=(LITELLM,), help="leave a peer out")
    parser.add_argument("--profile", action="store_true", help="where the time goes, and no more")
    parser.add_argument("--stream", action="store_true", help="profile streamed answers")
    return parser.parse_args()


if __name__ == "__main__":
    main()
