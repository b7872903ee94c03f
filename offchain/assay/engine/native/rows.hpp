// EXPONENT and QUANT: how a row of int32 becomes what products read. Included after them.
#pragma once

#include <cstring>

#include "assay.hpp"

namespace assay {
namespace {

inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

// EXPONENT of a row; |INT_MIN| needs the unsigned type, as does the peak with its margin.
inline int exponent(const int32_t* x, int64_t count, int bits = 16) {
    uint32_t peak = 0;
    for (int64_t i = 0; i < count; ++i) {
        const uint32_t size = x[i] < 0 ? 0u - static_cast<uint32_t>(x[i]) : x[i];
        peak = size > peak ? size : peak;
    }
    peak += peak >> 7;
    return (peak ? 32 - __builtin_clz(peak) : 0) - (bits - 1);
}

// QUANT with the row's own exponent, so without saturation. floor((v + 2**(e-1)) / 2**e) is the shifted
// value plus the highest bit shifted out, which stays in int32.
template <typename F>
inline void quant(const int32_t* x, int64_t count, int e, F&& put) {
    if (e > 0) {
        for (int64_t i = 0; i < count; ++i) put(i, (x[i] >> e) + ((x[i] >> (e - 1)) & 1));
    } else {
        for (int64_t i = 0; i < count; ++i)
            put(i, static_cast<int32_t>(static_cast<uint32_t>(x[i]) << -e));
    }
}

// Rows as two planes of digits, and the digits' sums.
inline void write_two_planes(const int32_t* x, int64_t width, int64_t padded, int e, int8_t* high,
                      int32_t* sums) {
    int8_t* low = high + padded;
    int32_t high_sum = 0, low_sum = 0;
    quant(x, width, e, [&](int64_t i, int32_t q) {
        const int32_t h = (q + 128) >> 8, l = q - h * 256;
        high[i] = static_cast<int8_t>(h);
        low[i] = static_cast<int8_t>(l);
        high_sum += h;
        low_sum += l;
    });
    std::memset(high + width, 0, static_cast<size_t>(padded - width));
    std::memset(low + width, 0, static_cast<size_t>(padded - width));
    sums[0] = high_sum;
    sums[1] = low_sum;
}

inline void write_plane(const int32_t* x, int64_t width, int64_t padded, int e, int8_t* digits,
                 int32_t* sum) {
    int32_t total = 0;
    quant(x, width, e, [&](int64_t i, int32_t q) {
        digits[i] = static_cast<int8_t>(q);
        total += q;
    });
    std::memset(digits + width, 0, static_cast<size_t>(padded - width));
    *sum = total;
}

// EXPONENT and QUANT of one row.
inline void write_row(const int32_t* x, const Rows& rows, int64_t row) {
    const int64_t width = rows.width, padded = round_up(width, 64);
    uint8_t* out = rows.values + row * rows.stride;
    const int e = rows.exponents[row] = exponent(x, width, static_cast<int>(rows.bits));
    if (products::kDigitPlanes && rows.bits == 8) {
        write_plane(x, width, padded, e, reinterpret_cast<int8_t*>(out), rows.sums + row);
    } else if (products::kDigitPlanes) {
        write_two_planes(x, width, padded, e, reinterpret_cast<int8_t*>(out),
                         rows.sums + 2 * row);
    } else {
        int16_t* values = reinterpret_cast<int16_t*>(out);
        quant(x, width, e, [&](int64_t i, int32_t q) { values[i] = static_cast<int16_t>(q); });
        std::memset(values + width, 0, static_cast<size_t>(2 * (padded - width)));
    }
}

}  // namespace
}  // namespace assay
