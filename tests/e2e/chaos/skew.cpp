// Preloaded into a process, it shifts what the wall clock says by $ASSAY_CHAOS_SKEW seconds.
// Clocks that only measure durations stay as they are.

#include <cstdlib>
#include <ctime>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static long skew() {
    static const char *text = getenv("ASSAY_CHAOS_SKEW");
    return text ? atol(text) : 0;
}

extern "C" {

int clock_gettime(clockid_t clock, timespec *at) noexcept {
    const int code = syscall(SYS_clock_gettime, clock, at);
    if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += skew();
    return code;
}

int gettimeofday(timeval *__restrict at, void *__restrict) noexcept {
    timespec found;
    const int code = clock_gettime(CLOCK_REALTIME, &found);
    at->tv_sec = found.tv_sec;
    at->tv_usec = found.tv_nsec / 1000;
    return code;
}

time_t time(time_t *at) noexcept {
    timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (at) *at = found.tv_sec;
    return found.tv_sec;
}
}
