// Seconds that threads take to read a gigabyte once, each a part of its own, front to back,
// each on a processor of its own, from large pages as the engine's weights lie in.
#include <sched.h>
#include <sys/mman.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

constexpr size_t kBytes = size_t{1} << 30, kPage = size_t{1} << 21;
using Line = uint64_t __attribute__((vector_size(64)));

const char* memory() {
    static char* const at = [] {
        char* made = static_cast<char*>(std::aligned_alloc(kPage, kBytes));
        madvise(made, kBytes, MADV_HUGEPAGE);
        std::memset(made, 1, kBytes);
        return made;
    }();
    return at;
}

void read(const char* from, size_t bytes) {
    Line a = {}, b = {}, c = {}, d = {};
    for (size_t i = 0; i < bytes; i += 256) {
        const Line* line = reinterpret_cast<const Line*>(from + i);
        a ^= line[0], b ^= line[1], c ^= line[2], d ^= line[3];
    }
    a ^= b ^ c ^ d;
    volatile uint64_t kept = a[0] ^ a[1] ^ a[2] ^ a[3] ^ a[4] ^ a[5] ^ a[6] ^ a[7];
    (void)kept;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" double read_seconds(int threads) {
    const char* from = memory();
    const size_t part = kBytes / static_cast<size_t>(threads) / 256 * 256;
    std::vector<std::thread> readers;
    const auto began = std::chrono::steady_clock::now();
    for (int t = 0; t < threads; ++t)
        readers.emplace_back([=] {
            cpu_set_t one;
            CPU_ZERO(&one);
            CPU_SET(t, &one);
            sched_setaffinity(0, sizeof one, &one);
            read(from + part * static_cast<size_t>(t), part);
        });
    for (auto& reader : readers) reader.join();
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began;
    return spent.count();
}
#pragma GCC visibility pop
