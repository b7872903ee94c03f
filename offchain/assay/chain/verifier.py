"""Client of the step verifier: its verdicts as free calls, for tests, benchmarks and reports."""

from __future__ import annotations

from collections.abc import Sequence

from assay.chain.contract import ContractClient
from assay.core.partials import packed
from assay.core.types import EMPTY_TOKEN, Opening, Pass, Step, TokenOpening


def _abi(openings: Sequence[Opening]) -> list[tuple[object, ...]]:
    return [opening.abi() for opening in openings]


class StepVerifier(ContractClient):
    """True: the value follows from the openings. A bad opening raises ContractReverted."""

    def shape(self, step: Step, positions: int) -> tuple[int, int, int]:
        """Rows, width and bytes per element of a step's output."""
        rows, width, elem_bytes = self.read("shape", step.abi(), positions)
        return int(rows), int(width), int(elem_bytes)

    def chunk_count(self, step: Step, positions: int) -> int:
        return int(self.read("chunk_count", step.abi(), positions))

    def verify_element(
        self,
        step: Step,
        pass_: Pass,
        trace_root: bytes,
        place: tuple[int, int],
        element: int,
        openings: Sequence[Opening],
        token: TokenOpening = EMPTY_TOKEN,
    ) -> bool:
        """`place` is (row, column) of the step's output."""
        arguments = (step.abi(), pass_.abi(), trace_root, *place, element, _abi(openings))
        return bool(self.read("verify_element", *arguments, token.abi()))

    def verify_combine(
        self,
        step: Step,
        pass_: Pass,
        trace_root: bytes,
        place: tuple[int, int],
        element: int,
        partials: Sequence[int],
        openings: Sequence[Opening],
    ) -> bool:
        arguments = (step.abi(), pass_.abi(), trace_root, *place, element, packed(partials))
        return bool(self.read("verify_combine", *arguments, _abi(openings)))

    def verify_chunk(
        self,
        step: Step,
        pass_: Pass,
        trace_root: bytes,
        place: tuple[int, int],
        chunk: int,
        partial: int,
        openings: Sequence[Opening],
    ) -> bool:
        arguments = (step.abi(), pass_.abi(), trace_root, *place, chunk, partial)
        return bool(self.read("verify_chunk", *arguments, _abi(openings)))

    def verify_sample(
        self,
        pass_: Pass,
        trace_root: bytes,
        claimed: TokenOpening,
        rival: int,
        openings: Sequence[Opening],
    ) -> bool:
        return bool(
            self.read(
                "verify_sample", pass_.abi(), trace_root, claimed.abi(), rival, _abi(openings)
            )
        )
