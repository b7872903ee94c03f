#include "pool.hpp"

#include <cstdlib>
#include <memory>

namespace assay {

namespace {

constexpr int kSpins = 4000;  // about 50 microseconds

inline void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
}

}  // namespace

Pool::Pool(int threads, bool pin) : pin_(pin && threads > 1) {
#if defined(__linux__)
    if (sched_getaffinity(0, sizeof allowed_, &allowed_) != 0) CPU_ZERO(&allowed_);
#endif
    for (int index = 1; index < threads; ++index) {
        workers_.emplace_back([this, index] {
            if (pin_) pin_to(index);
            serve();
        });
    }
}

// Keep the calling thread on one processor, as far as the system lets it.
void Pool::pin_to(int index) const {
#if defined(__linux__)
    const int count = CPU_COUNT(&allowed_);
    if (count == 0) return;
    int place = index % count;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed_) || place-- != 0) continue;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
#else
    (void)index;
#endif
}

Pool::~Pool() {
    ending_.store(true);
    {
        std::lock_guard<std::mutex> lock(sleep_);
        wake_.notify_all();
    }
    for (auto& worker : workers_) worker.join();
}

void Pool::run(int64_t count, Work work, void* argument) {
    std::unique_lock<std::mutex> mine(taken_, std::defer_lock);
    if (count < 2 || workers_.empty() || !mine.try_lock()) {
        for (int64_t part = 0; part < count; ++part) work(argument, part);
        return;
    }
    static thread_local const Pool* pinned_by = nullptr;
    if (pin_ && pinned_by != this) {
        pin_to(0);
        pinned_by = this;
    }
    work_.store(work, std::memory_order_relaxed);
    argument_.store(argument, std::memory_order_relaxed);
    count_.store(count, std::memory_order_relaxed);
    done_.store(0, std::memory_order_relaxed);
    const uint32_t job = static_cast<uint32_t>(ticket_.load(std::memory_order_relaxed) >> 32) + 1;
    ticket_.store(static_cast<uint64_t>(job) << 32);  // sequentially consistent: before asleep_
    if (asleep_.load() > 0) {
        std::lock_guard<std::mutex> lock(sleep_);
        wake_.notify_all();
    }
    while (take(job)) {
    }
    for (int spins = 0; done_.load(std::memory_order_acquire) < count; ++spins) {
        if (spins < kSpins) {
            pause();
        } else {
            std::this_thread::yield();
        }
    }
}

// Do one part of a job; false if it has none left, or is over. What is read of the job before the
// exchange may be the next job's, but then the exchange fails.
bool Pool::take(uint32_t job) {
    uint64_t ticket = ticket_.load(std::memory_order_acquire);
    for (;;) {
        const Work work = work_.load(std::memory_order_relaxed);
        void* argument = argument_.load(std::memory_order_relaxed);
        const int64_t count = count_.load(std::memory_order_relaxed);
        const int64_t part = static_cast<int64_t>(ticket & 0xFFFFFFFFu);
        if (ticket >> 32 != job || part >= count) return false;
        if (ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel,
                                          std::memory_order_acquire)) {
            work(argument, part);
            done_.fetch_add(1, std::memory_order_release);
            return true;
        }
    }
}

void Pool::serve() {
    uint32_t last = 0;
    while (await_job(last)) {
        last = static_cast<uint32_t>(ticket_.load(std::memory_order_acquire) >> 32);
        while (take(last)) {
        }
    }
}

bool Pool::await_job(uint32_t last) {
    const auto news = [&] { return ending_.load() || ticket_.load() >> 32 != last; };
    for (int spins = 0; spins < kSpins; ++spins) {
        if (news()) return !ending_.load();
        pause();
    }
    std::unique_lock<std::mutex> lock(sleep_);
    asleep_.fetch_add(1);
    wake_.wait(lock, news);
    asleep_.fetch_sub(1);
    return !ending_.load();
}

void* scratch(int64_t bytes) {
    struct Memory {
        void* at = nullptr;
        int64_t size = 0;
        ~Memory() { std::free(at); }
    };
    static thread_local Memory memory;
    if (bytes > memory.size) {
        std::free(memory.at);
        memory.size = (bytes + 4095) / 4096 * 4096;
        memory.at = std::aligned_alloc(64, static_cast<size_t>(memory.size));
    }
    return memory.at;
}

}  // namespace assay
