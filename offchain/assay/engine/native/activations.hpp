// The steps that bend: SILU_GATE, GELU_GATE, SOFTCAP, all by 2**-z in Q30. Compiled with kernels.cpp,
// once per instruction set.
#pragma once

#include <cstdint>

#include "assay.hpp"
#include "vectors.hpp"

namespace assay {
namespace {

constexpr int64_t kLog2eQ30 = 1549082005;
constexpr int64_t kLn2Q16 = 45426;
constexpr int64_t kGeluLinear = 2471977230, kGeluCubic = 110534462;

// gate * sigmoid * up, where `exponent` of |gate| is z in 2**-z, in Q16. The sigmoid's dividend is
// at most 2**60 and its quotient 2**30, so the float quotient is within one of it. Not inlined: with
// the loops of both gates in one function the compiler's code for SILU_GATE was a fifth slower.
template <typename F>
__attribute__((noinline)) void gated(const int32_t* gate, const int32_t* up, int64_t count,
                                     int64_t shift, int32_t* out, F&& exponent) {
    const Shift by(shift);
    const int64_t one = int64_t{1} << 30;
    for (int64_t i = 0; i < count; i += kWide) {
        const I64 g = load(gate + i, count - i), z = exponent(max(g, -g));
        const I64 whole = z >> 16;
        const I64 tail = pow2neg(z & 0xFFFF) >> min(whole, splat(31));  // below 2**31: 31 gives 0
        const I64 numerator = g >= 0 ? splat(one) : tail;
        const I64 sigmoid = divide(numerator << 30, one + tail);
        const I64 activated = (g * sigmoid + (one >> 1)) >> 30;
        put(out + i, by.apply(activated * load(up + i, count - i)), count - i);
    }
}

// SILU_GATE or GELU_GATE.
void gate(const int32_t* gate, const int32_t* up, int64_t count, Activation activation,
          int64_t fraction, int64_t shift, int32_t* out) {
    if (activation == kSilu) {
        gated(gate, up, count, shift, out,
              [=](I64 size) { return (size * kLog2eQ30) >> (14 + fraction); });
    } else {
        gated(gate, up, count, shift, out, [=](I64 size) {
            const I64 u = min((size << 20) >> fraction, splat(16 << 20));
            const I64 slope = kGeluLinear + ((kGeluCubic * ((u * u) >> 20)) >> 20);
            return (u * slope) >> 34;
        });
    }
}

// SOFTCAP. The quotient is at most the cap, below 2**31, so the float quotient is within one of it.
// Not inlined, so that `attend` is compiled as without it.
__attribute__((noinline)) void softcap(int32_t* x, int64_t count, const Softcap& c) {
    const int64_t one = int64_t{1} << 30;
    for (int64_t i = 0; i < count; i += kWide) {
        const I64 v = load(x + i, count - i), z = (max(v, -v) * c.mantissa) >> c.shift;
        const I64 power = pow2neg((z >> 12) & 0xFFFF);
        const I64 rest = (power * (z & 0xFFF) * kLn2Q16) >> 44;
        const I64 tail = (power - rest) >> min(z >> 28, splat(31));  // at most 2**30: 31 gives 0
        const I64 above = one + tail;
        const I64 size = divide(2 * c.cap * (one - tail) + above, 2 * above);
        const I64 bounded = v < 0 ? -size : size;
        put(x + i, v == kInt32Min ? v : bounded, count - i);
    }
}

}  // namespace
}  // namespace assay
