"""titanoboa's EVM, several times faster: bytecode is translated to Python functions.

py-evm sends every opcode through several Python calls. Here a run of opcodes that touch only
stack and memory becomes one Python function, made when it is first reached; everything else
(storage, calls, logs, hashes) is left to py-evm, opcode by opcode. Gas, results, logs and reverts
are py-evm's to the unit: `tests/stateful/test_quick_evm.py` compares them. What is lost is
titanoboa's trace of opcodes, so that an error shows no line of source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boa
from boa.vm import py_evm
from eth.exceptions import (
    FullStack,
    Halt,
    InsufficientStack,
    InvalidInstruction,
    InvalidJumpDestination,
    OutOfGas,
)
from eth.vm.message import Message
from eth.vm.transaction_context import BaseTransactionContext
from eth_hash.auto import keccak

CALLER = b"\x11" * 20
UNNAMED = "a contract"  # how titanoboa's errors call one; its own name for it reads the storage

SHA3, CALLDATACOPY, CODECOPY, MCOPY = 0x20, 0x37, 0x39, 0x5E
JUMP, JUMPI, JUMPDEST, POP, MLOAD, MSTORE = 0x56, 0x57, 0x5B, 0x50, 0x51, 0x52
PUSH0, PUSH32, DUP1, DUP16, SWAP1, SWAP16 = 0x5F, 0x7F, 0x80, 0x8F, 0x90, 0x9F

# Longest run of opcodes in one function: bounds what a translation costs.
MAX_RUN = 300
STACK_LIMIT = 1024

# How many items leave the stack (`a` its top), and what takes their place. M is the largest word,
# H its highest bit.
EXPRESSIONS = {
    0x01: (2, "({a} + {b}) & M"),
    0x02: (2, "({a} * {b}) & M"),
    0x03: (2, "({a} - {b}) & M"),
    0x04: (2, "{a} // {b} if {b} else 0"),
    0x06: (2, "{a} % {b} if {b} else 0"),
    0x10: (2, "1 if {a} < {b} else 0"),
    0x11: (2, "1 if {a} > {b} else 0"),
    0x12: (2, "1 if {a} ^ H < {b} ^ H else 0"),
    0x13: (2, "1 if {a} ^ H > {b} ^ H else 0"),
    0x14: (2, "1 if {a} == {b} else 0"),
    0x15: (1, "0 if {a} else 1"),
    0x16: (2, "{a} & {b}"),
    0x17: (2, "{a} | {b}"),
    0x18: (2, "{a} ^ {b}"),
    0x19: (1, "{a} ^ M"),
    0x1B: (2, "({b} << {a}) & M if {a} < 256 else 0"),
    0x1C: (2, "{b} >> {a} if {a} < 256 else 0"),
    0x30: (0, "from_bytes(c.msg.storage_address, 'big')"),
    0x33: (0, "from_bytes(c.msg.sender, 'big')"),
    0x34: (0, "c.msg.value"),
    0x35: (1, "from_bytes(c.msg.data_as_bytes[{a} : {a} + 32].ljust(32, ZERO), 'big')"),
    0x36: (0, "len(c.msg.data)"),
    0x3D: (0, "len(c.return_data)"),
    0x42: (0, "c.state.timestamp"),
}
CONSTANTS = {
    "M": 2**256 - 1,
    "H": 2**255,
    "ZERO": b"\x00",
    "from_bytes": int.from_bytes,
    "keccak": keccak,
    "BadJump": InvalidJumpDestination,
}

# Copies into memory: where the bytes come from. Each word costs 3 gas.
SOURCES = {
    CALLDATACOPY: "c.msg.data_as_bytes[{begin} : {begin} + {size}].ljust({size}, ZERO)",
    CODECOPY: "code[{begin} : {begin} + {size}].ljust({size}, ZERO)",
    MCOPY: "m._bytes[{begin} : {begin} + {size}]",
}

# Run from the stack's list, its memory and the computation; returns where it goes on.
Run = Callable[[list[int], Any, Any], int]


class Program:
    """One contract's code: runs by where they begin, translated when first reached."""

    def __init__(self, code: bytes, costs: dict[int, int]) -> None:
        self.code = code + b"\x00"  # STOP, as the EVM reads beyond the end
        self.costs = costs
        self.runs: dict[int, tuple[Run | None, int]] = {}
        self.destinations = frozenset(self._destinations())

    def _destinations(self) -> Iterator[int]:
        at = 0
        while at < len(self.code):
            opcode = self.code[at]
            if opcode == JUMPDEST:
                yield at
            at += 1 + (opcode - PUSH0 if PUSH0 <= opcode <= PUSH32 else 0)

    def run_at(self, start: int) -> tuple[Run | None, int]:
        """The run that begins there (None if py-evm has that opcode), and where it ends."""
        if start not in self.runs:
            self.runs[start] = Translation(self, start).result()
        return self.runs[start]


class Translation:
    """One run of opcodes as a Python function.

    The stack is kept in local names as far as the run has touched it: `known` holds the names of
    its top items, `taken` counts how many items of the real stack they have replaced.
    """

    def __init__(self, program: Program, start: int) -> None:
        self.program = program
        self.start = start
        self.at = start
        self.lines: list[str] = []
        self.known: list[str] = []
        self.taken = 0
        self.gas = 0
        self.names = 0
        self.open = True

    def result(self) -> tuple[Run | None, int]:
        code = self.program.code
        while self.open and self.at - self.start < MAX_RUN:
            opcode = code[self.at] if self.at < len(code) else 0
            if not self._translate(opcode):
                break
        if self.at == self.start:
            return None, self.start
        if self.open:
            self.lines += self._leave(str(self.at), "")
        body = "\n    ".join(self.lines)
        scope: dict[str, Any] = {
            **CONSTANTS,
            "code": self.program.code[:-1],
            "destinations": self.program.destinations,
        }
        exec(f"def run(s, m, c):\n    g = c._gas_meter\n    {body}", scope)
        return scope["run"], self.at

    def _translate(self, opcode: int) -> bool:
        """Add one opcode; False if it is not for a run."""
        if PUSH0 <= opcode <= PUSH32:
            size = opcode - PUSH0
            data = self.program.code[self.at + 1 : self.at + 1 + size]
            self.known.append(str(int.from_bytes(data.ljust(size, b"\x00"), "big")))
            self.at += size
        elif DUP1 <= opcode <= DUP16:
            self._need(opcode - DUP1 + 1)
            self.known.append(self.known[-(opcode - DUP1 + 1)])
        elif SWAP1 <= opcode <= SWAP16:
            depth = opcode - SWAP1 + 2
            self._need(depth)
            self.known[-1], self.known[-depth] = self.known[-depth], self.known[-1]
        elif opcode in EXPRESSIONS:
            count, expression = EXPRESSIONS[opcode]
            taken = {name: self._pop() for name, _ in zip("ab", range(count), strict=False)}
            self._push(expression.format(**taken))
        elif opcode == POP:
            self._pop()
        elif opcode in (MLOAD, MSTORE):
            self._memory(opcode)
        elif opcode in SOURCES:
            self._copy(opcode)
        elif opcode == SHA3:
            self._hash()
        elif opcode in (JUMP, JUMPI):
            self._jump(opcode)
        elif opcode != JUMPDEST:
            return False
        self.gas += self.program.costs[opcode]
        self.at += 1
        return True

    def _memory(self, opcode: int) -> None:
        where = self._pop()
        self.lines.append(f"if len(m._bytes) < {where} + 32: c.extend_memory({where}, 32)")
        place = f"m._bytes[{where} : {where} + 32]"
        if opcode == MLOAD:
            self._push(f"from_bytes({place}, 'big')")
        else:
            self.lines.append(f"{place} = ({self._pop()}).to_bytes(32, 'big')")

    def _copy(self, opcode: int) -> None:
        to, begin, size = self._pop(), self._pop(), self._pop()
        source = SOURCES[opcode].format(begin=begin, size=size)
        end = f"max({to}, {begin})" if opcode == MCOPY else to
        self.lines += [
            f"if {size}:",
            f"    if len(m._bytes) < {end} + {size}: c.extend_memory({end}, {size})",
            f"    g.gas_remaining -= ({size} + 31) // 32 * 3",
            f"    m._bytes[{to} : {to} + {size}] = {source}",
        ]

    def _hash(self) -> None:
        where, size = self._pop(), self._pop()
        self.lines += [
            f"if len(m._bytes) < {where} + {size}: c.extend_memory({where}, {size})",
            f"g.gas_remaining -= 30 + ({size} + 31) // 32 * 6",
        ]
        self._push(f"from_bytes(keccak(m._bytes[{where} : {where} + {size}]), 'big')")

    def _jump(self, opcode: int) -> None:
        target = self._pop()
        condition = self._pop() if opcode == JUMPI else "True"
        gas, self.gas = self.gas, self.gas + self.program.costs[opcode]
        self.lines.append(f"if {condition}:")
        check = ""
        if not (target.isdigit() and int(target) in self.program.destinations):
            check = f"if {target} not in destinations: raise BadJump('no JUMPDEST')"
        self.lines += ["    " + line for line in self._leave(target, check)]
        self.gas = gas  # `_translate` adds it for the way on
        self.open = opcode == JUMPI

    def _leave(self, target: str, check: str) -> list[str]:
        """Pay, write the stack back, and go on at `target`."""
        lines = [f"g.gas_remaining -= {self.gas}"]
        if check:
            lines.append(check)
        if self.taken:
            lines.append(f"s[-{self.taken}:] = ({''.join(name + ', ' for name in self.known)})")
        elif self.known:
            lines.append(f"s += ({''.join(name + ', ' for name in self.known)})")
        return [*lines, f"return {target}"]

    def _need(self, count: int) -> None:
        """Give names to so many items at the top of the stack."""
        while len(self.known) < count:
            self.taken += 1
            name = self._name()
            self.lines.append(f"{name} = s[-{self.taken}]")
            self.known.insert(0, name)

    def _pop(self) -> str:
        self._need(1)
        return self.known.pop()

    def _push(self, expression: str) -> None:
        name = self._name()
        self.lines.append(f"{name} = {expression}")
        self.known.append(name)

    def _name(self) -> str:
        self.names += 1
        return f"v{self.names}"


_programs: dict[bytes, Program] = {}


def _program(computation: Any) -> Program:
    code = computation.code._raw_code_bytes
    program = _programs.get(code)
    if program is None:
        costs = {
            opcode: getattr(operation, "gas_cost", 0) or 0
            for opcode, operation in computation.opcodes.items()
        }
        program = _programs[code] = Program(code, costs)
    return program


def _execute(computation: Any) -> None:
    """The interpreter's loop: a run, then the opcode that ended it."""
    program = _program(computation)
    meter, stack = computation._gas_meter, computation._stack.values
    memory, code, opcodes = computation._memory, computation.code, computation.opcodes
    known, raw = program.runs, program.code
    at = code.program_counter
    while True:
        run, end = known.get(at) or program.run_at(at)
        if run is not None:
            at = run(stack, memory, computation)
            if meter.gas_remaining < 0:
                raise OutOfGas("out of gas")
            if len(stack) > STACK_LIMIT:
                raise FullStack("stack limit reached")
            if at != end:
                continue
        code.program_counter = at + 1
        opcodes[raw[at]](computation=computation)
        at = code.program_counter
        if stack and type(stack[-1]) is bytes:
            stack[-1] = int.from_bytes(stack[-1], "big")


def _apply_computation(
    cls: Any, state: Any, message: Any, context: Any, parent_computation: Any = None
) -> Any:
    """`BaseComputation.apply_computation` for calls of code; the rest is left to the original."""
    address = message.code_address
    if message.is_create or address in cls._precompiles or address in py_evm._precompiles:
        original = super(py_evm.titanoboa_computation, cls).apply_computation
        created = original(state, message, context, parent_computation=parent_computation)
        created._contract_repr_before_revert = UNNAMED
        return created
    with cls(state, message, context) as computation:
        if parent_computation is None:
            computation.contracts_created = []
        else:
            computation.contracts_created = parent_computation.contracts_created
        try:
            _execute(computation)
        except Halt:
            pass
        except IndexError:
            raise InsufficientStack("not enough items on the stack") from None
        except KeyError as missing:
            raise InvalidInstruction(f"no opcode {missing}") from None
    computation._contract_repr_before_revert = UNNAMED
    return computation


@contextmanager
def quick_evm() -> Iterator[None]:
    """Calls within run quickly."""
    original = py_evm.titanoboa_computation.__dict__["apply_computation"]
    py_evm.titanoboa_computation.apply_computation = classmethod(_apply_computation)
    try:
        yield
    finally:
        py_evm.titanoboa_computation.apply_computation = original


class View:
    """A view of static arguments and words as answers, asked again and again at little cost."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.to = function.contract.address.canonical_address
        self.data = function.prepare_calldata(*arguments)

    def words(self) -> tuple[int, ...]:
        """The answer's words."""
        vm = boa.env.evm.vm
        code = vm.state.get_code(self.to)
        message = Message(10**9, self.to, CALLER, 0, self.data, code, is_static=True)
        context = BaseTransactionContext(gas_price=0, origin=CALLER)
        answer = vm.state.computation_class.apply_computation(vm.state, message, context)
        answer.raise_if_error()
        output = answer.output
        return tuple(
            int.from_bytes(output[at : at + 32], "big") for at in range(0, len(output), 32)
        )
