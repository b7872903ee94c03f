// Products in plain C++, for any machine. Rows stay int16; a step adds four products, below
// 4 * 2**7 * 32515, to an int32, so 128 steps fit; then sums go to int64.
#pragma once

#include <cstdint>
#include <cstring>

namespace assay {
namespace {
namespace products {

constexpr const char* kName = "portable";
constexpr int64_t kLanes = 16;
constexpr int64_t kPlanes = 1;  // rows multiplied at once
constexpr bool kDigitPlanes = false;
constexpr int kWeightOffset = 0;
constexpr int64_t kSteps = 128;

template <int>
inline void rows_by_group(const uint8_t* rows, int64_t, int64_t, const int32_t*, int64_t,
                          const uint8_t* weights, int64_t steps, int64_t (*sums)[kLanes]) {
    const int16_t* row = reinterpret_cast<const int16_t*>(rows);
    std::memset(sums, 0, sizeof *sums);
    for (int64_t begin = 0; begin < steps; begin += kSteps) {
        const int64_t end = begin + kSteps < steps ? begin + kSteps : steps;
        int32_t acc[kLanes] = {};
        for (int64_t step = begin; step < end; ++step) {
            const int8_t* w = reinterpret_cast<const int8_t*>(weights) + step * 4 * kLanes;
            const int32_t a0 = row[4 * step], a1 = row[4 * step + 1];
            const int32_t a2 = row[4 * step + 2], a3 = row[4 * step + 3];
            for (int i = 0; i < kLanes; ++i)
                acc[i] += a0 * w[4 * i] + a1 * w[4 * i + 1] + a2 * w[4 * i + 2] + a3 * w[4 * i + 3];
        }
        for (int i = 0; i < kLanes; ++i) sums[0][i] += acc[i];
    }
}

// Sums of the rows' two planes with blocks of 16, down pairs of int16; each fits int32.
inline void pairs(const int16_t* rows, int64_t stride, int64_t plane, int64_t m,
                  const int16_t* columns, int64_t pair_stride, int64_t block_stride, int64_t count,
                  int64_t blocks, int32_t* high, int32_t* low, int64_t out_stride) {
    for (int64_t n = 0; n < blocks; ++n)
        for (int64_t i = 0; i < m; ++i) {
            int32_t h[16] = {}, l[16] = {};
            for (int64_t k = 0; k < count; ++k) {
                const int16_t* b = columns + n * block_stride + k * pair_stride;
                const int16_t* a = rows + i * stride + 2 * k;
                for (int j = 0; j < 16; ++j) {
                    h[j] += a[0] * b[2 * j] + a[1] * b[2 * j + 1];
                    l[j] += a[plane] * b[2 * j] + a[plane + 1] * b[2 * j + 1];
                }
            }
            std::memcpy(high + i * out_stride + 16 * n, h, sizeof h);
            std::memcpy(low + i * out_stride + 16 * n, l, sizeof l);
        }
}

}  // namespace products
}  // namespace
}  // namespace assay
