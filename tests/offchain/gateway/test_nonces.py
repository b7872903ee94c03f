"""Nonces of jobs: never twice, and next to each other where that makes payment cheap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from assay.gateway.jobs import NONCES_A_WORD, Nonces

PROVIDER, OTHER = "0x" + "11" * 20, "0x" + "22" * 20


def test_a_word_of_nonces_then_another() -> None:
    nonces = Nonces()
    first = [int.from_bytes(nonces.next(PROVIDER), "big") for _ in range(2 * NONCES_A_WORD)]
    assert len(set(first)) == 2 * NONCES_A_WORD
    words = [number >> 8 for number in first]
    assert len(set(words[:NONCES_A_WORD])) == len(set(words[NONCES_A_WORD:])) == 1
    assert words[0] != words[-1]


def test_each_provider_and_process_has_words_of_its_own() -> None:
    nonces = Nonces()
    found = {nonces.next(PROVIDER)[:31], nonces.next(OTHER)[:31], Nonces().next(PROVIDER)[:31]}
    assert len(found) == 3


def test_threads_share_none() -> None:
    nonces = Nonces()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: nonces.next(PROVIDER), range(1000)))
    assert len(set(found)) == 1000
