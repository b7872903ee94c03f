// What the library's parts share: the structures that cross the C ABI (mirrored in library.py)
// and the table of kernels that each instruction set fills in.
//
// Names and ranges are those of assay/exact/ops.py, which says what every step must equal.
#pragma once

#include <cstdint>

namespace assay {

// A stacked linear layer. `packed` holds, for each group of `lanes` output channels, for each four
// inputs, for each channel of the group, the four weights: a group is read front to back.
// Channels are padded to whole groups and inputs to whole fours, by zeros.
struct Weights {
    const uint8_t* packed;
    const int32_t* mantissa;  // (groups * lanes)
    const int32_t* shift;     // (groups * lanes)
    const int32_t* bias;      // (groups * lanes), or null
    int64_t outputs;
    int64_t width;
};

// Quantised rows, `stride` bytes each: planes of int8 digits, high then low (a single one for rows
// of 8 bits), or plain int16, as the instruction set prefers. Inputs are padded to a multiple of
// 64, by zeros.
struct Rows {
    uint8_t* values;
    int32_t* exponents;  // (R)
    int32_t* sums;       // (R, planes): sums of the digits; unused for int16
    int64_t stride;
    int64_t width;
    int64_t bits;  // 16 or 8
};

struct Norm {
    const int32_t* gain;
    const int64_t* eps_terms;  // (33) by exponent + 15
    int64_t width;
    int64_t shift;
};

struct Shape {
    int64_t heads, kv_heads, head_dim;
};

constexpr int64_t kPage = 64;  // positions of a page

// One layer's keys and values, by KV head, page and position in the page. Keys lie in blocks of 16
// positions, pairs of elements together: (KV, pages, 4, hd / 2, 16, 2). Values lie in pairs of
// positions, channels padded to a multiple of 16: (KV, pages, 32, hd', 2). So both products of
// attention run down pairs, 16 outputs wide, and over neighbouring pages as if they were one.
struct KeysValues {
    int16_t* keys;
    int16_t* values;
    int8_t* exponents;  // (KV, pages, 64)
    int64_t pages;
};

// `pages` is the sequence's page table: position p lies in page pages[p / 64].
struct Segment {
    int64_t row, count, start;
    const int32_t* pages;
};

// One pass: T rows, each with its page and position, and room for what `store` leaves to `attend`.
struct Run {
    const Segment* segments;
    int64_t segment_count;
    int64_t rows;
    const int32_t* pages;
    const int32_t* positions;
    const int16_t* rope;  // (context, hd): cosines then sines, Q14
    int16_t* queries;     // (T, H, 2, hd): high digits, low digits
    int32_t* query_exponents;  // (T, H)
    int32_t* mixed;            // (T, H * hd)
};

struct Softcap {
    int64_t cap, mantissa, shift;
};

// One layer's. A position sees itself and `window` - 1 before it, all before it if that is 0; the
// norms are of each query's and key's head; they and the scores' cap are null where there are none.
struct Attention {
    int64_t v_shift, score_mantissa, score_shift, window;
    const Norm* query_norm;
    const Norm* key_norm;
    const Softcap* score_cap;
};

// What `gate` applies.
enum Activation : int64_t { kSilu, kGelu };

// Some query rows of one segment, for one KV head.
struct Unit {
    int64_t row, count, position, kv_head;
    const int32_t* pages;
};

// The kernels of one instruction set. Each works on a part that one thread does alone.
struct Kernels {
    const char* name;
    int64_t lanes;       // output channels of a group
    bool digit_planes;   // format of Rows
    void (*pack)(const int8_t* weight, int64_t outputs, int64_t width, int64_t group, uint8_t* out);
    void (*multiply)(const Rows&, int64_t first, int64_t last, const Weights&, int64_t group,
                     int64_t groups, int32_t* out, const int32_t* onto);
    void (*quantise)(const int32_t* x, const Rows&, int64_t row);
    void (*norm)(const int32_t* x, const Norm&, const Rows&, int64_t row, int32_t* scratch);
    void (*norm_onto)(const int32_t* x, const Norm&, int64_t row, int32_t* onto, int32_t* scratch);
    void (*gate)(const int32_t* gate, const int32_t* up, int64_t count, Activation,
                 int64_t fraction, int64_t shift, int32_t* out);
    void (*softcap)(int32_t* x, int64_t count, const Softcap&);
    void (*store)(const int32_t* qkv, const Run&, const Shape&, const Attention&,
                  const KeysValues&, int64_t row);
    void (*attend)(const Run&, const Shape&, const Attention&, const KeysValues&, const Unit&,
                   void* scratch);
    int64_t (*attend_scratch)(const Shape&, int64_t rows, int64_t length);  // bytes
};

}  // namespace assay
