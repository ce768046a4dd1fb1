/* Stands before the C library's fsync and fdatasync: where the file that SLOW_DISK names is there, each takes longer by
   200 ms and leaves a byte in it. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void wait_where_slow(void) {
    const char *name = getenv("SLOW_DISK");
    int slow = name ? open(name, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (slow < 0) return;
    struct timespec delay = {0, 200000000};
    nanosleep(&delay, NULL);
    if (write(slow, "s", 1) != 1) abort();
    close(slow);
}

int fsync(int file) {
    wait_where_slow();
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    wait_where_slow();
    return (int)syscall(SYS_fdatasync, file);
}
