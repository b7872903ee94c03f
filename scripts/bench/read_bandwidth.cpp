// Seconds that threads take to read memory once, each a part of its own, front to back.
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

#pragma GCC visibility push(default)
extern "C" double read_seconds(const uint64_t* memory, int64_t words, int threads) {
    std::vector<std::thread> readers;
    std::vector<uint64_t> found(static_cast<size_t>(threads) * 64);
    const auto began = std::chrono::steady_clock::now();
    for (int t = 0; t < threads; ++t)
        readers.emplace_back([&, t] {
            const int64_t begin = words / 512 * t / threads * 512;
            const int64_t end = words / 512 * (t + 1) / threads * 512;
            uint64_t sums[64] = {};
            for (int64_t i = begin; i < end; i += 64) {
                for (int j = 0; j < 64; j += 8) __builtin_prefetch(memory + i + j + 1024);
                for (int j = 0; j < 64; ++j) sums[j] ^= memory[i + j];
            }
            for (int j = 0; j < 64; ++j) found[static_cast<size_t>(t) * 64] ^= sums[j];
        });
    for (auto& reader : readers) reader.join();
    volatile uint64_t kept = found[0];
    (void)kept;
    const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - began;
    return spent.count();
}
#pragma GCC visibility pop
