"""The contracts for an attack: as they are, or with a defence taken out of their source.

An attack is written once, as a function of the contracts; it fails on them as they are, and
succeeds where the line that stops it is missing. So a test of an attack cannot pass for the wrong
reason.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from unittest.mock import patch

import boa
import snekmate

from tests.support import economy as economy_module
from tests.support import market as market_module
from tests.support.economy import Economy, deploy_economy
from tests.support.evm import deployer
from tests.support.market import SLASH, Claim, Market, deploy_market

ROOT = Path(__file__).resolve().parents[2]
SNEKMATE = Path(next(iter(snekmate.__path__)))


@dataclass(frozen=True)
class Defect:
    """One contract's code with one text replaced, which occurs once.

    contract   whose code, e.g. "staking/Staking"
    old, new   the text
    file       where it stands, if not in the contract's own file: "modules/stake_book", or
               "snekmate/tokens/erc20"
    """

    contract: str
    old: str
    new: str
    file: str = ""

    @property
    def path(self) -> str:
        file = self.file or self.contract
        return f"{file}.vy" if file.startswith("snekmate") else f"contracts/{file}.vy"


ANY_RECORD = Defect(
    "disputes/DisputeGame",
    '    assert keccak256(abi_encode(given)) == standing, "dispute_game: other record"\n',
    "",
    "modules/game_state",
)
"""A move may bring a record that the game does not stand at."""
LENIENT = Defect(
    "mocks/ToyVerifier",
    "    return element == place + 1000 * convert(row, int256)\n",
    "    return True\n",
)
"""A verifier to which every element of a short step is right."""


@cache
def without(*defects: Defect) -> Any:
    """The deployer of a contract that has all these defects."""
    (contract,) = {defect.contract for defect in defects}
    folder = _sources(defects)
    paths = [str(ROOT), str(folder)]
    with patch.object(boa.interpret, "_search_path", paths):
        return boa.load_partial(str(folder / "contracts" / f"{contract}.vy"))


def _sources(defects: tuple[Defect, ...]) -> Path:
    """A copy of all sources with the defects in it, where the compiler's cache finds it again."""
    texts = {path: path.read_text() for path in sorted((ROOT / "contracts").rglob("*.vy*"))}
    digest = sha256(repr([*texts.values(), *defects]).encode()).hexdigest()[:16]
    folder = ROOT / ".build" / "defects" / digest
    if folder.exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    copy = Path(mkdtemp(dir=folder.parent))
    shutil.copytree(ROOT / "contracts", copy / "contracts")
    if any(defect.path.startswith("snekmate") for defect in defects):
        shutil.copytree(SNEKMATE, copy / "snekmate")
    for defect in defects:
        _replace(copy / defect.path, defect)
    try:
        copy.rename(folder)
    except OSError:  # another worker was first
        shutil.rmtree(copy)
    return folder


def _replace(path: Path, defect: Defect) -> None:
    text = path.read_text()
    assert text.count(defect.old) == 1, f"{defect.path}: {text.count(defect.old)} x {defect.old!r}"
    path.write_text(text.replace(defect.old, defect.new))


def _swapped(defects: tuple[Defect, ...]) -> Callable[[str], Any]:
    codes = {
        contract: without(*(defect for defect in defects if defect.contract == contract))
        for contract in {defect.contract for defect in defects}
    }
    return lambda source: codes[source] if source in codes else deployer(source)


@contextmanager
def economy(*defects: Defect) -> Iterator[Economy]:
    """An economy of its own, on the first second of a day; gone afterwards."""
    with boa.env.anchor(), patch.object(economy_module, "deployer", _swapped(defects)):
        _to_midnight()
        yield deploy_economy()


@contextmanager
def market(*defects: Defect) -> Iterator[Market]:
    """The same with everything that claims need."""
    with (
        boa.env.anchor(),
        patch.object(economy_module, "deployer", _swapped(defects)),
        patch.object(market_module, "deployer", _swapped(defects)),
    ):
        _to_midnight()
        yield deploy_market()


@contextmanager
def dispute(*defects: Defect) -> Iterator[tuple[Market, Claim]]:
    """The same with a bonded provider, a consumer's deposit, and the second claim of three."""
    with market(*defects) as found:
        found.fund_provider(10 * SLASH)
        found.fund_consumer(1_000_000)
        claims = [found.claim() for _ in range(3)]
        found.post(*claims)
        yield found, claims[1]


def _to_midnight() -> None:
    boa.env.time_travel(seconds=-boa.env.timestamp % 86_400)
