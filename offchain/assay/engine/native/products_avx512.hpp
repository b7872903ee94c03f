// Products with AVX-512 VNNI: vpdpbusd multiplies 64 pairs of unsigned and signed bytes and adds
// them by fours to 16 int32.
//
// Weights are kept as weight + 128 (unsigned), rows as planes of signed digits: P of them, two for 16
// bits, one for 8. A plane's sum starts at -128 times the sum of its digits. In between it may wrap around: what counts is that
// the sum itself, at most 2**17 * 2**14 = 2**31 for K < 2**17, fits int32.
//
// Weights are read front to back, which the processor's own prefetching serves best: with explicit
// prefetches, 1 to 16 KB ahead, one thread read 21 to 24 GB/s where it reads 29 without.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace assay {
namespace {
namespace products {

constexpr const char* kName = "avx512-vnni";
constexpr int64_t kLanes = 64;
constexpr int64_t kPlanes = 6;  // multiplied at once
constexpr bool kDigitPlanes = true;
constexpr int kWeightOffset = 128;

inline __m512i broadcast4(const uint8_t* at) {
    int32_t word;
    std::memcpy(&word, at, 4);
    return _mm512_set1_epi32(word);
}

// What a plane's sums start at: -128 times the sum of its digits.
inline __m512i start_of(int32_t digit_sum) {
    return _mm512_set1_epi32(static_cast<int32_t>(0u - 128u * static_cast<uint32_t>(digit_sum)));
}

inline __m512i half(__m512i v, int which) {
    return _mm512_cvtepi32_epi64(which ? _mm512_extracti64x4_epi64(v, 1)
                                       : _mm512_castsi512_si256(v));
}

// A row's sums of 16 channels in int64, from those of its planes: 256 * high + low, or the only
// one's.
template <int P>
inline void join(const __m512i (&planes)[P], int64_t* out) {
    for (int which = 0; which < 2; ++which) {
        __m512i sum = half(planes[0], which);
        if (P == 2) sum = _mm512_add_epi64(_mm512_slli_epi64(sum, 8), half(planes[P - 1], which));
        _mm512_store_si512(out + 8 * which, sum);
    }
}

// R rows (P * R planes) by 64 channels: 4 * P * R accumulators of the 32 registers.
template <int P, int R>
inline void tile(const uint8_t* rows, int64_t stride, int64_t plane, const int32_t* digit_sums,
                 const uint8_t* weights, int64_t steps, int64_t (*sums)[kLanes]) {
    __m512i acc[P * R][4];
    for (int p = 0; p < P * R; ++p) {
        const __m512i start = start_of(digit_sums[p]);
        for (int c = 0; c < 4; ++c) acc[p][c] = start;
    }
    for (int64_t step = 0; step < steps; ++step) {
        const uint8_t* w = weights + step * 256;
        const __m512i w0 = _mm512_loadu_si512(w), w1 = _mm512_loadu_si512(w + 64);
        const __m512i w2 = _mm512_loadu_si512(w + 128), w3 = _mm512_loadu_si512(w + 192);
#pragma GCC unroll 8
        for (int p = 0; p < P * R; ++p) {
            const __m512i a = broadcast4(rows + (p / P) * stride + (p % P) * plane + step * 4);
            acc[p][0] = _mm512_dpbusd_epi32(acc[p][0], w0, a);
            acc[p][1] = _mm512_dpbusd_epi32(acc[p][1], w1, a);
            acc[p][2] = _mm512_dpbusd_epi32(acc[p][2], w2, a);
            acc[p][3] = _mm512_dpbusd_epi32(acc[p][3], w3, a);
        }
    }
    for (int r = 0; r < R; ++r)
        for (int c = 0; c < 4; ++c) {
            __m512i planes[P];
            for (int p = 0; p < P; ++p) planes[p] = acc[P * r + p][c];
            join<P>(planes, sums[r] + 16 * c);
        }
}

// One row by two groups of channels at once: two streams from memory a core, so that neither waits
// while the other's first lines come.
template <int P>
inline void row_by_two_groups(const uint8_t* row, int64_t plane, const int32_t* digit_sums,
                              const uint8_t* weights, int64_t steps, int64_t (*sums)[kLanes]) {
    const uint8_t* second = weights + steps * 256;
    __m512i acc[8][P];
    for (int p = 0; p < P; ++p)
        for (int c = 0; c < 8; ++c) acc[c][p] = start_of(digit_sums[p]);
    for (int64_t step = 0; step < steps; ++step) {
        __m512i digits[P];
        for (int p = 0; p < P; ++p) digits[p] = broadcast4(row + p * plane + step * 4);
#pragma GCC unroll 8
        for (int c = 0; c < 8; ++c) {
            const uint8_t* at = (c < 4 ? weights : second) + step * 256 + 64 * (c % 4);
            const __m512i w = _mm512_loadu_si512(at);
            for (int p = 0; p < P; ++p)
                acc[c][p] = _mm512_dpbusd_epi32(acc[c][p], w, digits[p]);
        }
    }
    for (int c = 0; c < 8; ++c) join<P>(acc[c], sums[c / 4] + 16 * (c % 4));
}

template <int P, int R = kPlanes / P>
inline void rows_by_group(const uint8_t* rows, int64_t stride, int64_t plane,
                          const int32_t* digit_sums, int64_t count, const uint8_t* weights,
                          int64_t steps, int64_t (*sums)[kLanes]) {
    if constexpr (R > 1) {
        if (count < R)
            return rows_by_group<P, R - 1>(rows, stride, plane, digit_sums, count, weights, steps,
                                           sums);
    }
    tile<P, R>(rows, stride, plane, digit_sums, weights, steps, sums);
}

// M rows by N blocks of 16, down pairs of int16: sums of the rows' two planes, each within int32.
template <int M, int N>
inline void pair_tile(const int16_t* rows, int64_t stride, int64_t plane, const int16_t* columns,
                      int64_t pair_stride, int64_t block_stride, int64_t count, int32_t* high,
                      int32_t* low, int64_t out_stride) {
    __m512i acc[M][2][N];
    for (int m = 0; m < M; ++m)
        for (int p = 0; p < 2; ++p)
            for (int n = 0; n < N; ++n) acc[m][p][n] = _mm512_setzero_si512();
    for (int64_t k = 0; k < count; ++k) {
        __m512i b[N];
        for (int n = 0; n < N; ++n)
            b[n] = _mm512_loadu_si512(columns + k * pair_stride + n * block_stride);
#pragma GCC unroll 8
        for (int m = 0; m < M; ++m)
            for (int p = 0; p < 2; ++p) {
                const int16_t* at = rows + m * stride + p * plane + 2 * k;
                const __m512i a = broadcast4(reinterpret_cast<const uint8_t*>(at));
                for (int n = 0; n < N; ++n)
                    acc[m][p][n] = _mm512_dpwssd_epi32(acc[m][p][n], b[n], a);
            }
    }
    for (int m = 0; m < M; ++m)
        for (int n = 0; n < N; ++n) {
            _mm512_storeu_si512(high + m * out_stride + 16 * n, acc[m][0][n]);
            _mm512_storeu_si512(low + m * out_stride + 16 * n, acc[m][1][n]);
        }
}

template <int N>
inline void pair_blocks(const int16_t* rows, int64_t stride, int64_t plane, int64_t m,
                        const int16_t* columns, int64_t pair_stride, int64_t block_stride,
                        int64_t count, int32_t* high, int32_t* low, int64_t out_stride) {
    int64_t i = 0;
    for (; i + 2 <= m; i += 2)
        pair_tile<2, N>(rows + i * stride, stride, plane, columns, pair_stride, block_stride, count,
                        high + i * out_stride, low + i * out_stride, out_stride);
    if (i < m)
        pair_tile<1, N>(rows + i * stride, stride, plane, columns, pair_stride, block_stride, count,
                        high + i * out_stride, low + i * out_stride, out_stride);
}

inline void pairs(const int16_t* rows, int64_t stride, int64_t plane, int64_t m,
                  const int16_t* columns, int64_t pair_stride, int64_t block_stride, int64_t count,
                  int64_t blocks, int32_t* high, int32_t* low, int64_t out_stride) {
    int64_t n = 0;
    for (; n + 4 <= blocks; n += 4)
        pair_blocks<4>(rows, stride, plane, m, columns + n * block_stride, pair_stride,
                       block_stride, count, high + 16 * n, low + 16 * n, out_stride);
    for (; n < blocks; ++n)
        pair_blocks<1>(rows, stride, plane, m, columns + n * block_stride, pair_stride,
                       block_stride, count, high + 16 * n, low + 16 * n, out_stride);
}

}  // namespace products
}  // namespace
}  // namespace assay
