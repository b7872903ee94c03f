# pragma version 0.4.3
# pragma evm-version cancun
# pragma optimize gas
"""
@title StepArithmetic: the values of a program's steps
@license AGPL-3.0-only
@notice `modules/step_arithmetic.vy` behind an address of its own, because the step verifier with
        all opcodes' arithmetic in it outgrows a contract's code. The verifier calls this
        with a few words; openings, which are large, never travel here.
@custom:kill Nothing stops it and nobody owns it: no state, no roles, no upgrade. A step verifier
             names it when it is deployed, for good.
"""

from ..interfaces import IStepArithmetic
from ..interfaces import Types
from ..modules import opcodes
from ..modules import step_arithmetic

implements: IStepArithmetic


@external
@view
def element(
    step: Types.Step, column: uint256, operands: int256[opcodes.MAX_OPERANDS]
) -> int256:
    """
    @notice See IStepArithmetic.
    """
    return step_arithmetic.element(step, column, operands)


@external
@view
def joined(
    step: Types.Step, total: int256, operands: int256[opcodes.MAX_OPERANDS]
) -> int256:
    """
    @notice See IStepArithmetic.
    """
    return step_arithmetic.joined(step, total, operands)
