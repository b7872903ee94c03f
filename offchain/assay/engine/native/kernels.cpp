// The kernels of one instruction set. This file is compiled once for each, with that set's flags
// and ASSAY_ISA naming it, so nothing here may be shared between the copies: everything is in an
// anonymous namespace or a static function, and no standard container or algorithm is used.
//
// The loops are plain where the compiler makes good vectors of them. Bounds on intermediate values
// are argued in assay/exact/ops.py; only what is different here is argued again.

#include <cstring>

#include "activations.hpp"
#include "assay.hpp"
#include "vectors.hpp"

#if defined(ASSAY_ISA_AVX512)
#include "products_avx512.hpp"
#elif defined(ASSAY_ISA_AVX2)
#include "products_avx2.hpp"
#else
#include "products_portable.hpp"
#endif
#include "rows.hpp"

namespace assay {
namespace {

using products::kLanes;

constexpr int64_t kDigitMax = 127 * 256;  // also the attention numerators' peak
constexpr int64_t kMeanSquareMax = (int64_t{1} << 46) - 1;
constexpr int kAttendFraction = 8;
constexpr int kBlock = 16;         // positions of a key block, channels of a value block
constexpr int64_t kSumPages = 8;   // pages of numerators and values that an int32 sum can hold

void quantise(const int32_t* x, const Rows& rows, int64_t row) {
    write_row(x + row * rows.width, rows, row);
}

int64_t isqrt(int64_t v) {
    int64_t root = static_cast<int64_t>(__builtin_sqrt(static_cast<double>(v)));
    root -= root * root > v;
    root += (root + 1) * (root + 1) <= v;
    return root;
}

// RMS's result for a row with exponent e. Squares of a quantised row are below 2**30.
int64_t inverse_rms(const int32_t* x, const Norm& norm, int e) {
    int64_t total = 0;
    quant(x, norm.width, e, [&](int64_t, int32_t q) { total += q * q; });
    const int64_t bounded = min(total + norm.eps_terms[e + 15], kMeanSquareMax);
    const int64_t mean = (bounded << 16) / norm.width;
    const int64_t root = max(isqrt(min(mean, kMeanSquareMax) << 16), 1);
    return min((int64_t{1} << 47) / root, kInt32Max);
}

// EXPONENT, RMS and NORM of one row.
void normalise(const int32_t* x, const Norm& weights, int32_t* y) {
    const int e = exponent(x, weights.width);
    const int64_t inverse = inverse_rms(x, weights, e);
    const Shift first(11 + e), second(weights.shift);
    for (int64_t i = 0; i < weights.width; i += kWide) {
        const int64_t n = weights.width - i;
        const I64 t = first.apply(load(x + i, n) * inverse);
        put(y + i, second.apply(t * load(weights.gain + i, n)), n);
    }
}

void norm(const int32_t* x, const Norm& weights, const Rows& rows, int64_t row, int32_t* y) {
    normalise(x + row * weights.width, weights, y);
    write_row(y, rows, row);
}

// NORM of one row, added to the residual's.
void norm_onto(const int32_t* x, const Norm& weights, int64_t row, int32_t* onto, int32_t* y) {
    const int64_t width = weights.width;
    normalise(x + row * width, weights, y);
    int32_t* to = onto + row * width;
    for (int64_t i = 0; i < width; ++i)
        to[i] = static_cast<int32_t>(saturate(int64_t{to[i]} + y[i]));
}

void pack(const int8_t* weight, int64_t outputs, int64_t width, int64_t group, uint8_t* out) {
    const int64_t steps = (width + 3) / 4;
    uint8_t* to = out + group * steps * kLanes * 4;
    for (int64_t step = 0; step < steps; ++step) {
        for (int64_t lane = 0; lane < kLanes; ++lane) {
            const int64_t j = group * kLanes + lane;
            for (int64_t k = 4 * step; k < 4 * step + 4; ++k) {
                const int value = j < outputs && k < width ? weight[j * width + k] : 0;
                *to++ = static_cast<uint8_t>(value + products::kWeightOffset);
            }
        }
    }
}

// LINEAR's rescaling of one row's sums for one group of channels, then BIAS and ADD, if they are.
void finish(const int64_t* sums, int e, const int32_t* mantissa, const int32_t* shift,
            const int32_t* bias, int64_t count, int32_t* out, const int32_t* onto) {
    for (int64_t i = 0; i < count; i += kWide) {
        const int64_t n = count - i;
        const I64 by = load(shift + i, kWide) - e;
        I64 y = rescale(load(sums + i) * load(mantissa + i, kWide), by);
        if (bias) y = saturate(y + load(bias + i, kWide));
        if (onto) y = saturate(y + load(onto + i, n));
        put(out + i, y, n);
    }
}

// One row's sums for one group of channels into its outputs.
void finish_group(const int64_t* sums, const Rows& rows, int64_t row, const Weights& weights,
                  int64_t group, int32_t* out, const int32_t* onto) {
    const int64_t channel = group * kLanes, at = row * weights.outputs + channel;
    finish(sums, rows.exponents[row], weights.mantissa + channel, weights.shift + channel,
           weights.bias ? weights.bias + channel : nullptr,
           min(kLanes, weights.outputs - channel), out + at, onto ? onto + at : nullptr);
}

// Rows of P digits first..last-1 times some groups of channels.
template <int P>
void multiply_planes(const Rows& rows, int64_t first, int64_t last, const Weights& weights,
                     int64_t group, int64_t groups, int32_t* out, const int32_t* onto) {
    constexpr int64_t kRows = products::kPlanes / P;
    const int64_t steps = (weights.width + 3) / 4, group_bytes = steps * kLanes * 4;
    const int64_t plane = round_up(rows.width, 64), end = group + groups;
    alignas(64) int64_t sums[kRows][kLanes];
#if defined(ASSAY_ISA_AVX512)
    for (; last - first == 1 && group + 2 <= end; group += 2) {
        products::row_by_two_groups<P>(rows.values + first * rows.stride, plane,
                                       rows.sums + P * first, weights.packed + group * group_bytes,
                                       steps, sums);
        for (int64_t g = 0; g < 2; ++g)
            finish_group(sums[g], rows, first, weights, group + g, out, onto);
    }
#endif
    for (; group < end; ++group) {
        const uint8_t* packed = weights.packed + group * group_bytes;
        for (int64_t row = first; row < last; row += kRows) {
            const int64_t count = min(kRows, last - row);
            products::rows_by_group<P>(rows.values + row * rows.stride, rows.stride, plane,
                                       rows.sums + P * row, count, packed, steps, sums);
            for (int64_t r = 0; r < count; ++r)
                finish_group(sums[r], rows, row + r, weights, group, out, onto);
        }
    }
}

// Rows first..last-1 times some groups of channels. Plain int16 is one plane, whatever the bits.
void multiply(const Rows& rows, int64_t first, int64_t last, const Weights& weights, int64_t group,
              int64_t groups, int32_t* out, const int32_t* onto) {
    const bool two = products::kDigitPlanes && rows.bits == 16;
    (two ? multiply_planes<products::kDigitPlanes ? 2 : 1> : multiply_planes<1>)(
        rows, first, last, weights, group, groups, out, onto);
}

// NORM, if there is one, and ROPE of one head: (hd) int32 -> (hd) int32.
void turn(const int32_t* x, const Norm* norm, const int16_t* table, int64_t hd, int32_t* out) {
    const int64_t half = hd / 2;
    int32_t normed[512];
    if (norm) {
        normalise(x, *norm, normed);
        x = normed;
    }
    for (int64_t i = 0; i < half; ++i) {
        const int64_t low = x[i], high = x[half + i], cos = table[i], sin = table[half + i];
        out[i] = static_cast<int32_t>(saturate((low * cos - high * sin + (1 << 13)) >> 14));
        out[half + i] = static_cast<int32_t>(saturate((high * cos + low * sin + (1 << 13)) >> 14));
    }
}

// A page's first position in one head's keys and values.
inline int64_t page_begin(const KeysValues& cache, int64_t kv_head, int64_t page) {
    return (kv_head * cache.pages + page) * kPage;
}

// How many pages of a table, from `first` to before `end`, lie one behind the other.
inline int64_t neighbours(const int32_t* pages, int64_t first, int64_t end) {
    int64_t count = 1;
    while (first + count < end && pages[first + count] == pages[first] + count) ++count;
    return count;
}

void store(const int32_t* qkv, const Run& run, const Shape& s, const Attention& a,
           const KeysValues& cache, int64_t row) {
    const int64_t hd = s.head_dim, wide = round_up(hd, kBlock), position = run.positions[row];
    const int64_t in_page = position % kPage;
    const int16_t* table = run.rope + position * hd;
    const int32_t* x = qkv + row * (s.heads + 2 * s.kv_heads) * hd;
    int32_t turned[512];
    for (int64_t head = 0; head < s.heads; ++head, x += hd) {
        turn(x, a.query_norm, table, hd, turned);
        const int e = exponent(turned, hd);
        int16_t* high = run.queries + (row * s.heads + head) * 2 * hd;
        int16_t* low = high + hd;
        quant(turned, hd, e, [&](int64_t i, int32_t q) {
            const int32_t h = (q + 128) >> 8;
            high[i] = static_cast<int16_t>(h);
            low[i] = static_cast<int16_t>(q - h * 256);
        });
        run.query_exponents[row * s.heads + head] = e;
    }
    for (int64_t head = 0; head < s.kv_heads; ++head, x += hd) {
        turn(x, a.key_norm, table, hd, turned);
        const int e = exponent(turned, hd);
        const int64_t at = page_begin(cache, head, run.pages[row]) + in_page;
        int16_t* keys = cache.keys + at / kBlock * kBlock * hd + at % kBlock * 2;
        quant(turned, hd, e, [&](int64_t i, int32_t q) {
            keys[(i / 2) * 2 * kBlock + i % 2] = static_cast<int16_t>(q);
        });
        cache.exponents[at] = static_cast<int8_t>(e);
    }
    const Shift shift(a.v_shift);
    for (int64_t head = 0; head < s.kv_heads; ++head, x += hd) {
        const int64_t at = page_begin(cache, head, run.pages[row]) + in_page;
        int16_t* values = cache.values + at / 2 * 2 * wide;
        for (int64_t i = 0; i < hd; ++i) {
            const int64_t kept = clamp(shift.apply(int64_t{x[i]}), -kDigitMax, kDigitMax);
            values[2 * i + at % 2] = static_cast<int16_t>(kept);
        }
    }
}

// SCORES of one query from the two planes of its sums: (count) int32. `least` and `most` bound the
// keys' exponents: almost always every shift is to the right by 1 to 62, which needs no care.
void finish_scores(const int32_t* high, const int32_t* low, const int8_t* key_exponents, int least,
                   int most, int eq, const Attention& a, int64_t count, int32_t* out) {
    const int64_t base = a.score_shift - eq;
    const bool simple = base - most >= 1 && base - least <= 62;
    for (int64_t i = 0; i < count; i += kWide) {
        const int64_t n = count - i;
        const I64 by = base - load(key_exponents + i, n);
        const I64 v = (256 * load(high + i, n) + load(low + i, n)) * a.score_mantissa;
        const I64 s = simple ? (v + ((splat(1) << by) >> 1)) >> by : rescale(v, by);
        put(out + i, clamp(s, -kInt32Max, kInt32Max), n);
    }
}

// ROWMAX, EXP2 and SUM of the scores from `first` to before `seen`; numerators as digits, zero
// around them from `begin` to `padded`.
int64_t numerators(const int32_t* s, int64_t begin, int64_t first, int64_t seen, int64_t padded,
                   int16_t* high, int16_t* low) {
    int32_t highest = s[first];
    for (int64_t i = first + 1; i < seen; ++i) highest = s[i] > highest ? s[i] : highest;
    const int64_t peak = highest;
    for (int64_t i = begin; i < first; ++i) high[i] = low[i] = 0;
    for (int64_t i = seen; i < padded; ++i) high[i] = low[i] = 0;
    I64 total = {};
    for (int64_t i = first; i < seen; i += kWide) {
        const int64_t n = seen - i;
        const I64 distance = peak - load(s + i, n);
        const I64 whole = distance >> 16;
        // A distance over 30 rounds to 0 by itself: 2**30 * 2**15 + 2**59 < 2**60.
        const I64 shift = 30 + min(whole, splat(30));
        I64 p = (pow2neg(distance & 0xFFFF) * kDigitMax + ((splat(1) << shift) >> 1)) >> shift;
        for (int64_t lane = n; lane < kWide; ++lane) p[lane] = 0;
        const I64 h = (p + 128) >> 8;
        put(high + i, h, n);
        put(low + i, p - h * 256, n);
        total += p;
    }
    int64_t sum = 0;
    for (int i = 0; i < kWide; ++i) sum += total[i];
    return sum;
}

// What `attend` needs for `queries` queries over `padded` positions.
struct Bench {
    int64_t padded, wide;
    int32_t* high;     // (queries, padded or wide): sums' planes
    int32_t* low;
    int32_t* scores;   // (padded)
    int16_t* digits;   // (queries, 2, padded)
    int64_t* sums;     // (queries, wide)
    int64_t* totals;   // (queries)

    Bench(const Shape& s, int64_t queries, int64_t length, void* memory)
        : padded(round_up(length, 64)), wide(round_up(s.head_dim, kBlock)) {
        uint8_t* at = static_cast<uint8_t*>(memory);
        const auto part = [&](int64_t bytes) {
            uint8_t* begin = at;
            at += round_up(bytes, 64);
            return begin;
        };
        const int64_t sum_bytes = queries * max(padded, wide) * 4;
        high = reinterpret_cast<int32_t*>(part(sum_bytes));
        low = reinterpret_cast<int32_t*>(part(sum_bytes));
        scores = reinterpret_cast<int32_t*>(part(padded * 4));
        digits = reinterpret_cast<int16_t*>(part(queries * 2 * padded * 2));
        sums = reinterpret_cast<int64_t*>(part(queries * wide * 8));
        totals = reinterpret_cast<int64_t*>(part(queries * 8));
        bytes = at - static_cast<uint8_t*>(memory);
    }
    int64_t bytes;
};

int64_t attend_scratch(const Shape& s, int64_t rows, int64_t length) {
    return Bench(s, rows * (s.heads / s.kv_heads), length, nullptr).bytes;
}

// Exact attention of some rows' queries of one KV head: every score first, then the maximum, then
// numerators, then sums. Queries are the rows' heads in turn. Keys and values are walked along the
// page table, neighbouring pages at once.
void attend(const Run& run, const Shape& s, const Attention& a, const KeysValues& cache,
            const Unit& unit, void* memory) {
    const int64_t hd = s.head_dim, group = s.heads / s.kv_heads, queries = unit.count * group;
    const int64_t length = unit.position + unit.count;
    const Bench w(s, queries, length, memory);
    const int64_t pages = (length + kPage - 1) / kPage;
    // Before this page the first row, and so any row, sees nothing.
    const int64_t first_page = a.window ? max(unit.position + 1 - a.window, 0) / kPage : 0;
    const auto begin = [&](int64_t page) {
        return page_begin(cache, unit.kv_head, unit.pages[page]);
    };
    int least = 0, most = 0;  // 0 as well, for the lanes beyond the last position
    for (int64_t i = first_page * kPage; i < length; ++i) {
        const int e = cache.exponents[begin(i / kPage) + i % kPage];
        least = e < least ? e : least;
        most = e > most ? e : most;
    }

    for (int64_t row = 0; row < unit.count; ++row) {
        const int64_t head = (unit.row + row) * s.heads + unit.kv_head * group;
        const int64_t seen = unit.position + row + 1;
        for (int64_t page = first_page, next; page < pages; page = next) {
            next = page + neighbours(unit.pages, page, pages);
            const int64_t first = page * kPage, count = min(next * kPage, length) - first;
            const int64_t out = row * group * w.padded + first;
            products::pairs(run.queries + head * 2 * hd, 2 * hd, hd, group,
                            cache.keys + begin(page) * hd, 2 * kBlock, kBlock * hd, hd / 2,
                            (count + kBlock - 1) / kBlock, w.high + out, w.low + out, w.padded);
        }
        for (int64_t q = row * group; q < (row + 1) * group; ++q) {
            for (int64_t page = first_page, next; page < pages; page = next) {
                next = page + neighbours(unit.pages, page, pages);
                const int64_t first = page * kPage, at = q * w.padded + first;
                finish_scores(w.high + at, w.low + at, cache.exponents + begin(page), least, most,
                              run.query_exponents[head + q - row * group], a,
                              min(next * kPage, seen) - first, w.scores + first);
            }
            int16_t* digits = w.digits + q * 2 * w.padded;
            const int64_t visible = a.window ? max(seen - a.window, 0) : 0;
            if (a.score_cap) softcap(w.scores + visible, seen - visible, *a.score_cap);
            w.totals[q] = numerators(w.scores, first_page * kPage, visible, seen, w.padded, digits,
                                     digits + w.padded);
        }
    }

    std::memset(w.sums, 0, static_cast<size_t>(queries * w.wide * 8));
    for (int64_t page = first_page, next; page < pages; page = next) {
        next = page + neighbours(unit.pages, page, min(pages, page + kSumPages));
        const int64_t first = page * kPage, count = min(next * kPage, length) - first;
        products::pairs(w.digits + first, 2 * w.padded, w.padded, queries,
                        cache.values + begin(page) * w.wide, 2 * w.wide, 2 * kBlock,
                        (count + 1) / 2, w.wide / kBlock, w.high, w.low, w.wide);
        for (int64_t i = 0; i < queries * w.wide; ++i)
            w.sums[i] += int64_t{256} * w.high[i] + w.low[i];
    }
    for (int64_t q = 0; q < queries; ++q) {
        const int64_t row = unit.row + q / group, head = unit.kv_head * group + q % group;
        int32_t* out = run.mixed + (row * s.heads + head) * hd;
        const int64_t total = w.totals[q];  // an unmasked score is the maximum: at least 32512
        for (int64_t i = 0; i < hd; i += kWide) {
            const I64 acc = load(w.sums + q * w.wide + i);
            put(out + i, divide((acc << (kAttendFraction + 1)) + total, splat(2 * total)), hd - i);
        }
    }
}

}  // namespace

#define ASSAY_JOIN2(a, b) a##b
#define ASSAY_JOIN(a, b) ASSAY_JOIN2(a, b)

extern const Kernels ASSAY_JOIN(kernels_, ASSAY_ISA);
const Kernels ASSAY_JOIN(kernels_, ASSAY_ISA) = {
    products::kName, kLanes, products::kDigitPlanes, pack,  multiply, quantise, norm,
    norm_onto,       gate,   softcap,                store, attend,   attend_scratch,
};

}  // namespace assay
