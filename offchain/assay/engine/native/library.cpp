// The library's C interface: picks the kernels, shares their work out. See library.py.

#include <algorithm>
#include <cstring>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "assay.hpp"
#include "pool.hpp"

namespace assay {

extern const Kernels kernels_portable;
#if defined(__x86_64__)
extern const Kernels kernels_avx512, kernels_avx2;
#endif

namespace {

// The instruction sets that this machine has, best first.
std::vector<const Kernels*> supported() {
    std::vector<const Kernels*> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni"))
        found.push_back(&kernels_avx512);
    if (__builtin_cpu_supports("avx2")) found.push_back(&kernels_avx2);
#endif
    found.push_back(&kernels_portable);
    return found;
}

// Rows multiplied by one group of channels before the next: their digits stay in the second-level
// cache beside the group's weights.
constexpr int64_t kPanel = 96;

// Elements that a thread caps at once.
constexpr int64_t kCapPart = 4096;
// Queries that one attention unit aims at.
constexpr int64_t kQueries = 32;

struct Context {
    const Kernels& kernels;
    Pool pool;
    Context(const Kernels& k, int threads, bool pin) : kernels(k), pool(threads, pin) {}
};

int64_t ceil_div(int64_t n, int64_t by) { return (n + by - 1) / by; }

std::vector<Unit> units(const Run& run, const Shape& shape) {
    const int64_t block = std::max<int64_t>(kQueries * shape.kv_heads / shape.heads, 1);
    std::vector<Unit> found;
    for (int64_t i = 0; i < run.segment_count; ++i) {
        const Segment& s = run.segments[i];
        // The last rows see the most: first, so that no long unit is left for the end.
        for (int64_t b = ceil_div(s.count, block) - 1; b >= 0; --b) {
            const int64_t begin = b * block, count = std::min(block, s.count - begin);
            for (int64_t head = 0; head < shape.kv_heads; ++head)
                found.push_back({s.row + begin, count, s.start + begin, head, s.pages});
        }
    }
    return found;
}

}  // namespace
}  // namespace assay

using namespace assay;

#pragma GCC visibility push(default)
extern "C" {

// The name of the index-th instruction set that this machine has, or null.
const char* assay_isa(int index) {
    const auto found = supported();
    return index < static_cast<int>(found.size()) ? found[index]->name : nullptr;
}

// Kernels of one instruction set with their threads, or null.
void* assay_open(const char* isa, int threads, int pin) {
    for (const Kernels* kernels : supported())
        if (std::strcmp(kernels->name, isa) == 0) {
            try {
                return new Context(*kernels, threads, pin != 0);
            } catch (...) {
                return nullptr;
            }
        }
    return nullptr;
}

void assay_close(void* context) { delete static_cast<Context*>(context); }

int64_t assay_lanes(const void* context) {
    return static_cast<const Context*>(context)->kernels.lanes;
}

int assay_digit_planes(const void* context) {
    return static_cast<const Context*>(context)->kernels.digit_planes;
}

// Ask for large pages under a weight's memory, before it is written.
void assay_advise(void* memory, int64_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const uintptr_t page = 1 << 21, at = reinterpret_cast<uintptr_t>(memory);
    const uintptr_t begin = (at + page - 1) / page * page, end = (at + bytes) / page * page;
    if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
    (void)memory, (void)bytes;
#endif
}

void assay_pack(void* context, const int8_t* weight, int64_t outputs, int64_t width, uint8_t* out) {
    auto& c = *static_cast<Context*>(context);
    c.pool.each(ceil_div(outputs, c.kernels.lanes), [&](int64_t group) {
        c.kernels.pack(weight, outputs, width, group, out);
    });
}

void assay_quantise(void* context, const int32_t* x, int64_t count, const Rows* rows) {
    auto& c = *static_cast<Context*>(context);
    c.pool.each(count, [&](int64_t row) { c.kernels.quantise(x, *rows, row); });
}

void assay_norm(void* context, const int32_t* x, int64_t count, const Norm* norm,
                const Rows* rows) {
    auto& c = *static_cast<Context*>(context);
    c.pool.each(count, [&](int64_t row) {
        c.kernels.norm(x, *norm, *rows, row, static_cast<int32_t*>(scratch(norm->width * 4)));
    });
}

// NORM of x (count, width), added to `onto`.
void assay_norm_onto(void* context, const int32_t* x, int64_t count, const Norm* norm,
                     int32_t* onto) {
    auto& c = *static_cast<Context*>(context);
    c.pool.each(count, [&](int64_t row) {
        c.kernels.norm_onto(x, *norm, row, onto, static_cast<int32_t*>(scratch(norm->width * 4)));
    });
}

// SOFTCAP of `count` elements, in place.
void assay_softcap(void* context, int32_t* x, int64_t count, const Softcap* cap) {
    auto& c = *static_cast<Context*>(context);
    c.pool.each(ceil_div(count, kCapPart), [&](int64_t part) {
        const int64_t first = part * kCapPart;
        c.kernels.softcap(x + first, std::min(kCapPart, count - first), *cap);
    });
}

// `onto`, if not null, is added; it may be `out`.
void assay_linear(void* context, const Rows* rows, int64_t count, const Weights* weights,
                  int32_t* out, const int32_t* onto) {
    auto& c = *static_cast<Context*>(context);
    const int64_t groups = ceil_div(weights->outputs, c.kernels.lanes);
    // A single row is bound by memory: parts of two groups, read side by side.
    const int64_t span = count == 1 ? 2 : 1;
    const int64_t panels = ceil_div(count, kPanel);
    c.pool.each(ceil_div(groups, span) * panels, [&](int64_t part) {
        const int64_t group = part / panels * span, first = part % panels * kPanel;
        c.kernels.multiply(*rows, first, std::min(first + kPanel, count), *weights, group,
                           std::min(span, groups - group), out, onto);
    });
}

// gate_up (R, 2 * intermediate); product (R, intermediate) is only room to work in.
void assay_gate(void* context, const int32_t* gate_up, int64_t count, int64_t activation,
                int64_t fraction, int64_t shift, int32_t* product, const Rows* rows) {
    auto& c = *static_cast<Context*>(context);
    const int64_t width = rows->width;
    const int64_t parts = count == 1 ? 2 * c.pool.threads() : 1, chunk = ceil_div(width, parts);
    c.pool.each(count * parts, [&](int64_t part) {
        const int64_t row = part / parts, begin = part % parts * chunk;
        const int64_t end = std::min(begin + chunk, width);
        const int32_t* gate = gate_up + row * 2 * width + begin;
        if (begin < end)
            c.kernels.gate(gate, gate + width, end - begin, static_cast<Activation>(activation),
                           fraction, shift, product + row * width + begin);
        if (parts == 1) c.kernels.quantise(product, *rows, row);
    });
    if (parts > 1) c.kernels.quantise(product, *rows, 0);
}

void assay_store(void* context, const int32_t* qkv, const Run* run, const Shape* shape,
                 const Attention* attention, const KeysValues* cache) {
    auto& c = *static_cast<Context*>(context);
    c.pool.each(run->rows, [&](int64_t row) {
        c.kernels.store(qkv, *run, *shape, *attention, *cache, row);
    });
}

void assay_attend(void* context, const Run* run, const Shape* shape, const Attention* attention,
                  const KeysValues* cache, const Rows* rows) {
    auto& c = *static_cast<Context*>(context);
    const auto parts = units(*run, *shape);
    c.pool.each(static_cast<int64_t>(parts.size()), [&](int64_t part) {
        const Unit& unit = parts[static_cast<size_t>(part)];
        void* memory = scratch(
            c.kernels.attend_scratch(*shape, unit.count, unit.position + unit.count));
        c.kernels.attend(*run, *shape, *attention, *cache, unit, memory);
    });
    assay_quantise(context, run->mixed, run->rows, rows);
}

}  // extern "C"
#pragma GCC visibility pop
