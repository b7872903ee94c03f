// Some int64 at once, in the compiler's own vectors: one AVX-512 or AVX2 register, or what there is.
#pragma once

#include <cstdint>
#include <cstring>

namespace assay {
namespace {

constexpr int64_t kInt32Max = 2147483647, kInt32Min = -kInt32Max - 1;

#if defined(ASSAY_ISA_AVX512)
constexpr int kWide = 8;
#else
constexpr int kWide = 4;
#endif
using I64 = int64_t __attribute__((vector_size(8 * kWide)));
using I32 = int32_t __attribute__((vector_size(4 * kWide)));
using I16 = int16_t __attribute__((vector_size(2 * kWide)));
using I8 = int8_t __attribute__((vector_size(kWide)));
using F64 = double __attribute__((vector_size(8 * kWide)));

inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
inline I64 splat(int64_t v) { return I64{} + v; }
inline I64 min(I64 a, I64 b) { return a < b ? a : b; }
inline I64 max(I64 a, I64 b) { return a > b ? a : b; }
inline I64 clamp(I64 v, int64_t low, int64_t high) { return min(max(v, splat(low)), splat(high)); }
inline int64_t clamp(int64_t v, int64_t low, int64_t high) { return min(max(v, low), high); }
inline I64 saturate(I64 v) { return clamp(v, kInt32Min, kInt32Max); }
inline int64_t saturate(int64_t v) { return clamp(v, kInt32Min, kInt32Max); }

// The first n <= kWide numbers at `from`, zeros after them.
template <typename Narrow, typename T>
inline I64 load(const T* from, int64_t n) {
    static_assert(sizeof(Narrow) == kWide * sizeof(T), "as wide as the vector");
    Narrow v = {};
    if (n >= kWide) {
        std::memcpy(&v, from, sizeof v);
    } else {
        std::memcpy(&v, from, static_cast<size_t>(n) * sizeof(T));
    }
    return __builtin_convertvector(v, I64);
}
inline I64 load(const int32_t* from, int64_t n) { return load<I32>(from, n); }
inline I64 load(const int8_t* from, int64_t n) { return load<I8>(from, n); }
inline I64 load(const int64_t* from) {
    I64 v;
    std::memcpy(&v, from, sizeof v);
    return v;
}

template <typename Narrow, typename T>
inline void store_as(T* to, I64 values, int64_t n) {
    const Narrow v = __builtin_convertvector(values, Narrow);
    if (n >= kWide) {
        std::memcpy(to, &v, sizeof v);
    } else {
        std::memcpy(to, &v, static_cast<size_t>(n) * sizeof(T));
    }
}
inline void put(int32_t* to, I64 v, int64_t n) { store_as<I32>(to, v, n); }
inline void put(int16_t* to, I64 v, int64_t n) { store_as<I16>(to, v, n); }

// fixed.rescale: saturate(round_half_up(v / 2**by)), |v| <= 2**62; a left shift saturates first.
inline I64 rescale(I64 v, I64 by) {
    const I64 right = clamp(by, 0, 62), left = clamp(-by, 0, 32);
    const I64 half = (splat(1) << right) >> 1;  // 0 without a right shift
    return saturate(saturate((v + half) >> right) << left);
}

// The same by one shift for all.
struct Shift {
    int64_t half, right, left;
    explicit Shift(int64_t by)
        : half((int64_t{1} << clamp(by, 0, 62)) >> 1),
          right(clamp(by, 0, 62)),
          left(clamp(-by, 0, 32)) {}
    template <typename T>
    T apply(T v) const {
        const T rounded = saturate((v + half) >> right);
        return left ? saturate(rounded << left) : rounded;
    }
};

// floor(n / d) for d > 0 and |n / d| < 2**50: the float quotient is at most one off. A comparison
// of vectors is -1 where it holds.
inline I64 divide(I64 n, I64 d) {
    const F64 quotient = __builtin_convertvector(n, F64) / __builtin_convertvector(d, F64);
    I64 q = __builtin_convertvector(quotient, I64);
    const I64 rest = n - q * d;
    q += rest < 0;
    q -= rest >= d;
    return q;
}

// 2**(-fraction / 65536) in Q30 for 0 <= fraction < 65536; products are below 2**47.
inline I64 pow2neg(I64 fraction) {
    I64 v = splat(-1024386);
    v = 9908895 + ((v * fraction) >> 16);
    v = -59395846 + ((v * fraction) >> 16);
    v = 257898518 + ((v * fraction) >> 16);
    v = -744258157 + ((v * fraction) >> 16);
    return 1073741824 + ((v * fraction) >> 16);
}

}  // namespace
}  // namespace assay
