// Threads that share out the parts of one job.
#pragma once

#if defined(__linux__)
#include <sched.h>
#endif

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace assay {

// `run(count, work, argument)` calls work(argument, part) once for each part; the caller takes
// parts too, and waits for nobody who has not begun one. So a worker that another process keeps
// from its core delays a job by no more than the part it is at. Workers wait for the next job
// spinning for some microseconds, as a decode step has one every few, and then asleep.
//
// A caller that finds the pool taken by another thread does its job alone.
class Pool {
  public:
    using Work = void (*)(void* argument, int64_t part);

    // pin: worker i stays on the i-th of the processors that this process may use, and a thread
    // that calls `run` on the first one. Where other programs compete for the processors, the
    // system else puts both threads of a step on one of them, again and again.
    Pool(int threads, bool pin);
    ~Pool();

    int threads() const { return static_cast<int>(workers_.size()) + 1; }
    void run(int64_t count, Work work, void* argument);

    template <typename F>
    void each(int64_t count, F&& body) {
        run(count, [](void* f, int64_t part) { (*static_cast<F*>(f))(part); }, &body);
    }

  private:
    void pin_to(int index) const;
    void serve();
    bool take(uint32_t job);
    bool await_job(uint32_t last);

    // The job's number in the upper half, the next part in the lower: a part is taken by raising
    // the whole word, which fails once the job is another one.
    alignas(64) std::atomic<uint64_t> ticket_{0};
    alignas(64) std::atomic<int64_t> done_{0};
    alignas(64) std::atomic<Work> work_{nullptr};
    std::atomic<void*> argument_{nullptr};
    std::atomic<int64_t> count_{0};
    std::atomic<int> asleep_{0};
    std::atomic<bool> ending_{false};
    const bool pin_;
#if defined(__linux__)
    cpu_set_t allowed_;  // as found at the start, before anything was pinned
#endif
    std::mutex taken_, sleep_;
    std::condition_variable wake_;
    std::vector<std::thread> workers_;
};

// Memory of the calling thread, 64-byte aligned, kept until it asks for more.
void* scratch(int64_t bytes);

}  // namespace assay
