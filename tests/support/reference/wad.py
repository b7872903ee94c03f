"""Exponential and logarithm: what snekmate's fixed-point functions give, and the exact values.

The contracts' prices are defined by snekmate's `_wad_exp` and `_wad_ln` (18 decimals, rational
approximations). A model that must agree to the unit needs the same ones, so they are ported here,
operation by operation; `exact_exp` is the real function to 60 digits, against which tests bound
the error of both.
"""

from __future__ import annotations

from decimal import Decimal, localcontext

from tests.support.reference.base import WAD

LN2_96 = 54_916_777_467_707_473_351_141_471_128  # ln 2, 96 binary digits


def exact_exp(numerator: int, denominator: int) -> Decimal:
    """e ** (numerator / denominator), 60 significant digits."""
    with localcontext() as context:
        context.prec = 60
        return (Decimal(numerator) / Decimal(denominator)).exp()


def wad_exp(x: int) -> int:
    """snekmate 0.1.2 `math._wad_exp`, for results of 1 and more (0 <= x < 135 x 10**18)."""
    assert 0 <= x < 135_305_999_368_893_231_589
    x = (x << 78) // 5**18
    k = (((x << 96) // LN2_96) + 2**95) >> 96
    x -= k * LN2_96
    y = (((x + 1_346_386_616_545_796_478_920_950_773_328) * x) >> 96) + (
        57_155_421_227_552_351_082_224_309_758_442
    )
    p = (
        ((((y + x) - 94_201_549_194_550_492_254_356_042_504_812) * y) >> 96)
        + 28_719_021_644_029_726_153_956_944_680_412_240
    ) * x + (4_385_272_521_454_847_904_659_076_985_693_276 << 96)
    q = (((x - 2_855_989_394_907_223_263_936_484_059_900) * x) >> 96) + (
        50_020_603_652_535_783_019_961_831_881_945
    )
    for coefficient in (
        -533_845_033_583_426_703_283_633_433_725_380,
        3_604_857_256_930_695_427_073_651_918_091_429,
        -14_423_608_567_350_463_180_887_372_962_807_573,
        26_449_188_498_355_588_339_934_803_723_976_023,
    ):
        q = ((q * x) >> 96) + coefficient
    assert p > 0 and q > 0  # so that // is the EVM's truncating division
    r = p // q
    return (r * 3_822_833_074_963_236_453_042_738_258_902_158_003_155_416_615_667) >> (195 - k)


LN_P = (
    24_828_157_081_833_163_892_658_089_445_524,
    43_456_485_725_739_037_958_740_375_743_393,
    -11_111_509_109_440_967_052_023_855_526_967,
    -45_023_709_667_254_063_763_336_534_515_857,
    -14_706_773_417_378_608_786_704_636_184_526,
)
LN_Q = (
    71_694_874_799_317_883_764_090_561_454_958,
    283_447_036_172_924_575_727_196_451_306_956,
    401_686_690_394_027_663_651_624_208_769_553,
    204_048_457_590_392_012_362_485_061_816_622,
    31_853_899_698_501_571_402_653_359_427_138,
    909_429_971_244_387_300_277_376_558_375,
)

LN_SCALE = 1_677_202_110_996_718_588_342_820_967_067_443_963_516_166
LN2_174 = int("16597577552685614221487285958193947469193820559219878177908093499208371")
LN_SHIFT = int("600920179829731861736702779321621459595472258049074101567377883020018308")


def wad_ln(x: int) -> int:
    """snekmate 0.1.2 `math._wad_ln`, for x >= 10**18 (a logarithm of 0 and more)."""
    assert x >= WAD
    k = x.bit_length() - 1 - 96
    x = ((x << (159 - k)) % 2**256) >> 159
    p = x + 3_273_285_459_638_523_848_632_254_066_296
    for coefficient in LN_P:
        p = ((p * x) >> 96) + coefficient
    p = p * x - (795_164_235_651_350_426_258_249_787_498 << 96)
    q = x + 5_573_035_233_440_673_466_300_451_813_936
    for coefficient in LN_Q:
        q = ((q * x) >> 96) + coefficient
    r = abs(p) // q if p >= 0 else -(abs(p) // q)
    return (r * LN_SCALE + k * LN2_174 + LN_SHIFT) >> 174
