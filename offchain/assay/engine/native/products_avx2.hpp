// Products with AVX2: rows stay int16, weights are widened to int16, vpmaddwd adds products in
// pairs. A pair is below 2 * 2**7 * 32515, so 256 of them fit int32; then sums go to int64.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace assay {
namespace {
namespace products {

constexpr const char* kName = "avx2";
constexpr int64_t kLanes = 16;
constexpr int64_t kPlanes = 2;  // rows multiplied at once
constexpr bool kDigitPlanes = false;
constexpr int kWeightOffset = 0;
constexpr int64_t kSteps = 256;

// R rows by 16 channels. An accumulator holds four channels, two partial sums each.
template <int R>
inline void tile(const uint8_t* rows, int64_t stride, const uint8_t* weights, int64_t steps,
                 int64_t (*sums)[kLanes]) {
    std::memset(sums, 0, R * sizeof *sums);
    for (int64_t begin = 0; begin < steps; begin += kSteps) {
        const int64_t end = begin + kSteps < steps ? begin + kSteps : steps;
        __m256i acc[R][4];
        for (int r = 0; r < R; ++r)
            for (int c = 0; c < 4; ++c) acc[r][c] = _mm256_setzero_si256();
        for (int64_t step = begin; step < end; ++step) {
            const uint8_t* w = weights + step * 64;
            __m256i a[R];
            for (int r = 0; r < R; ++r) {
                int64_t word;
                std::memcpy(&word, rows + r * stride + step * 8, 8);
                a[r] = _mm256_set1_epi64x(word);
            }
#pragma GCC unroll 4
            for (int c = 0; c < 4; ++c) {
                const __m256i b = _mm256_cvtepi8_epi16(
                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(w + 16 * c)));
                for (int r = 0; r < R; ++r)
                    acc[r][c] = _mm256_add_epi32(acc[r][c], _mm256_madd_epi16(a[r], b));
            }
        }
        for (int r = 0; r < R; ++r)
            for (int c = 0; c < 4; ++c) {
                alignas(32) int32_t part[8];
                _mm256_store_si256(reinterpret_cast<__m256i*>(part), acc[r][c]);
                for (int i = 0; i < 4; ++i)
                    sums[r][4 * c + i] += static_cast<int64_t>(part[2 * i]) + part[2 * i + 1];
            }
    }
}

template <int>
inline void rows_by_group(const uint8_t* rows, int64_t stride, int64_t, const int32_t*,
                          int64_t count, const uint8_t* weights, int64_t steps,
                          int64_t (*sums)[kLanes]) {
    if (count == 2) return tile<2>(rows, stride, weights, steps, sums);
    tile<1>(rows, stride, weights, steps, sums);
}

// One row by one block of 16, down pairs of int16: sums of the row's two planes, within int32.
inline void pair_tile(const int16_t* high_row, const int16_t* low_row, const int16_t* columns,
                      int64_t pair_stride, int64_t count, int32_t* high, int32_t* low) {
    __m256i acc[4];
    for (auto& a : acc) a = _mm256_setzero_si256();
    for (int64_t k = 0; k < count; ++k) {
        const auto* at = reinterpret_cast<const __m256i*>(columns + k * pair_stride);
        const __m256i b0 = _mm256_loadu_si256(at), b1 = _mm256_loadu_si256(at + 1);
        int32_t word;
        std::memcpy(&word, high_row + 2 * k, 4);
        const __m256i h = _mm256_set1_epi32(word);
        std::memcpy(&word, low_row + 2 * k, 4);
        const __m256i l = _mm256_set1_epi32(word);
        acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(h, b0));
        acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(h, b1));
        acc[2] = _mm256_add_epi32(acc[2], _mm256_madd_epi16(l, b0));
        acc[3] = _mm256_add_epi32(acc[3], _mm256_madd_epi16(l, b1));
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(high), acc[0]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(high + 8), acc[1]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(low), acc[2]);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(low + 8), acc[3]);
}

inline void pairs(const int16_t* rows, int64_t stride, int64_t plane, int64_t m,
                  const int16_t* columns, int64_t pair_stride, int64_t block_stride, int64_t count,
                  int64_t blocks, int32_t* high, int32_t* low, int64_t out_stride) {
    for (int64_t n = 0; n < blocks; ++n)
        for (int64_t i = 0; i < m; ++i)
            pair_tile(rows + i * stride, rows + i * stride + plane, columns + n * block_stride,
                      pair_stride, count, high + i * out_stride + 16 * n,
                      low + i * out_stride + 16 * n);
}

}  // namespace products
}  // namespace
}  // namespace assay
