"""The pool's bookkeeping, without any tensor."""

from __future__ import annotations

from collections import Counter

import numpy as np

from assay.engine.pages import NO_TOKENS, PagePool, extended


def chain(*texts: int) -> list:
    """Prefixes of a sequence whose pages hold these texts."""
    prefixes = []
    for text in texts:
        prefixes.append(extended(prefixes[-1] if prefixes else NO_TOKENS, [text] * 64))
    return prefixes


def test_a_prefix_is_all_that_came_before() -> None:
    assert chain(1, 2) == chain(1, 2)
    assert chain(3, 2)[1] != chain(1, 2)[1]
    assert len({*chain(1, 1, 1)}) == 3


def test_known_pages_are_shared_and_the_oldest_given_away() -> None:
    pool = PagePool(3)
    pages = [pool.take(), pool.take()]
    assert pages == [0, 1]
    for page, prefix in zip(pages, chain(7, 8), strict=True):
        pool.keep(page, prefix)
    assert pool.share(chain(7, 9)) == [0]
    pool.release([0])
    pool.release([0, 1])
    assert pool.available == 3
    assert pool.share(chain(7, 8)) == [0, 1] and pool.available == 1
    pool.release([0, 1])
    assert [pool.take(), pool.take()] == [2, 1]  # the free one, then the end of the prefix
    assert pool.share(chain(7, 8)) == [0]
    assert pool.take() is None and pool.available == 0


def test_a_prefix_that_is_known_is_not_known_twice() -> None:
    pool = PagePool(2)
    first, second = pool.take(), pool.take()
    pool.keep(first, chain(1)[0])
    pool.keep(second, chain(1)[0])
    pool.release([second])
    assert pool.share(chain(1)) == [first]
    pool.release([first])
    pool.release([first])
    assert pool.available == 2


def test_random_use_against_a_plain_count() -> None:
    rng = np.random.default_rng(0)
    pool, holders, users = PagePool(12), [], Counter()
    for step in range(5000):
        if rng.random() < 0.55:
            texts = chain(*rng.integers(0, 2, rng.integers(1, 5)).tolist())
            pages = pool.share(texts)
            while len(pages) < len(texts) and (page := pool.take()) is not None:
                assert not users[page], step
                pages.append(page)
            users.update(pages)
            for page, text in zip(pages, texts, strict=False):
                pool.keep(page, text)
            holders.append(pages)
        elif holders:
            pages = holders.pop(int(rng.integers(len(holders))))
            users.subtract(pages)
            pool.release(pages)
        assert pool.available == 12 - sum(count > 0 for count in users.values())
    assert pool.reused > 500
