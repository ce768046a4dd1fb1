/* Stands before the C library's calls that reach the disk. Where the file that SLOW_DISK names is there, each fsync and
   fdatasync takes longer by 200 ms; where the file that READ_ONLY_DISK names is there, what would change a store's
   files fails as on a file system that turned read-only. Either leaves a byte in its file each time. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int happens(const char *fault) {
    const char *name = getenv(fault);
    int file = name ? (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    if (file < 0) return 0;
    if (syscall(SYS_write, file, "x", 1) != 1) abort();
    close(file);
    return 1;
}

static void wait_where_slow(void) {
    struct timespec delay = {0, 200000000};
    if (happens("SLOW_DISK")) nanosleep(&delay, NULL);
}

static int is_path_refused(const char *path) {
    int kept = errno;
    int refused = strstr(path, "/chargetally.") != NULL && happens("READ_ONLY_DISK");
    errno = refused ? EROFS : kept;
    return refused;
}

static int is_refused(int file) {
    int kept = errno;
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    errno = kept;
    return is_path_refused(path);
}

int open64(const char *path, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    if ((flags & O_ACCMODE) != O_RDONLY && is_path_refused(path)) return -1;
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int fsync(int file) {
    wait_where_slow();
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file) {
    wait_where_slow();
    return (int)syscall(SYS_fdatasync, file);
}

ssize_t write(int file, const void *bytes, size_t count) {
    return is_refused(file) ? -1 : syscall(SYS_write, file, bytes, count);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return is_refused(file) ? -1 : syscall(SYS_pwrite64, file, bytes, count, at);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return pwrite64(file, bytes, count, at);
}

int ftruncate64(int file, off64_t length) {
    return is_refused(file) ? -1 : (int)syscall(SYS_ftruncate, file, length);
}

int ftruncate(int file, off_t length) {
    return ftruncate64(file, length);
}
