/* Makes a process believe that a disk fails, or that the clock was set: loaded with LD_PRELOAD.
 *
 * FAULTS_CONTROL names a file of at least sizeof(struct control) bytes, which is mapped, so that
 * whoever writes to it changes what happens at once. FAULTS_BELOW lists folders, with ':' between.
 * While `error` is set, calls that write below one of them fail with it once `after` such calls
 * have gone through, and only so many `times` if that is not 0; with `flushes` only those calls count
 * that ask the disk to keep what was written. The real-time clock is shown shifted by `shift` nanoseconds.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct control {
    int32_t error;
    int32_t after;
    int32_t times;
    int32_t flushes;
    int64_t shift;
};

static struct control quiet;
static volatile struct control *control = &quiet;
static const char *below = "";

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAULTS_CONTROL");
    int handle = path ? REAL(open)(path, O_RDWR | O_CLOEXEC) : -1;
    if (handle < 0)
        return;
    void *map = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, handle, 0);
    close(handle);
    if (map == MAP_FAILED)
        return;
    if (getenv("FAULTS_BELOW"))
        below = strdup(getenv("FAULTS_BELOW"));
    control = map;
}

static int concerns(const char *path)
{
    for (const char *folder = below; *folder;) {
        size_t length = strcspn(folder, ":");
        if (length && !strncmp(path, folder, length) && (path[length] == '/' || !path[length]))
            return 1;
        folder += length + (folder[length] == ':');
    }
    return 0;
}

static int refuses(const char *path)
{
    int error = control->error;
    if (!error || !concerns(path))
        return 0;
    if (control->after > 0 && __sync_fetch_and_sub(&control->after, 1) > 0)
        return 0;
    if (control->times > 0 && __sync_fetch_and_sub(&control->times, 1) == 1)
        control->error = 0;
    errno = error;
    return 1;
}

static int refuses_handle(int handle, int flush)
{
    char name[64], path[PATH_MAX];
    if (!control->error || (control->flushes && !flush))
        return 0;
    snprintf(name, sizeof name, "/proc/self/fd/%d", handle);
    ssize_t length = readlink(name, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return refuses(path);
}

static int refuses_at(int folder, const char *path)
{
    char name[64], whole[2 * PATH_MAX];
    if (!control->error || control->flushes)
        return 0;
    if (*path == '/')
        return refuses(path);
    ssize_t length;
    if (folder == AT_FDCWD) {
        if (!getcwd(whole, PATH_MAX))
            return 0;
        length = strlen(whole);
    } else {
        snprintf(name, sizeof name, "/proc/self/fd/%d", folder);
        if ((length = readlink(name, whole, PATH_MAX - 1)) < 0)
            return 0;
    }
    snprintf(whole + length, PATH_MAX, "/%s", path);
    return refuses(whole);
}

#define ON_HANDLE(type, name, flush, parameters, arguments)                                          \
    type name parameters                                                                             \
    {                                                                                                \
        return refuses_handle(handle, flush) ? -1 : REAL(name) arguments;                            \
    }

ON_HANDLE(ssize_t, write, 0, (int handle, const void *data, size_t size), (handle, data, size))
ON_HANDLE(ssize_t, writev, 0, (int handle, const struct iovec *parts, int count), (handle, parts, count))
ON_HANDLE(ssize_t, pwrite, 0, (int handle, const void *data, size_t size, off_t at), (handle, data, size, at))
ON_HANDLE(ssize_t, pwrite64, 0, (int handle, const void *data, size_t size, off64_t at),
          (handle, data, size, at))
ON_HANDLE(int, fsync, 1, (int handle), (handle))
ON_HANDLE(int, fdatasync, 1, (int handle), (handle))
ON_HANDLE(int, ftruncate, 0, (int handle, off_t size), (handle, size))
ON_HANDLE(int, ftruncate64, 0, (int handle, off64_t size), (handle, size))

#define ON_OPEN(name, folder, parameters, arguments)                                                 \
    int name parameters                                                                              \
    {                                                                                                \
        va_list more;                                                                                \
        va_start(more, flags);                                                                       \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;                      \
        va_end(more);                                                                                \
        int writes = (flags & O_ACCMODE) != O_RDONLY && flags & (O_CREAT | O_TRUNC);                 \
        return writes && refuses_at(folder, path) ? -1 : REAL(name) arguments;                       \
    }

ON_OPEN(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
ON_OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode))
ON_OPEN(openat, folder, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
ON_OPEN(openat64, folder, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

int rename(const char *from, const char *to)
{
    return refuses_at(AT_FDCWD, to) ? -1 : REAL(rename)(from, to);
}

int link(const char *from, const char *to)
{
    return refuses_at(AT_FDCWD, to) ? -1 : REAL(link)(from, to);
}

int mkdir(const char *path, mode_t mode)
{
    return refuses_at(AT_FDCWD, path) ? -1 : REAL(mkdir)(path, mode);
}

static void shift(struct timespec *moment)
{
    int64_t by = control->shift;
    moment->tv_sec += by / 1000000000;
    moment->tv_nsec += by % 1000000000;
    if (moment->tv_nsec < 0) {
        moment->tv_sec -= 1;
        moment->tv_nsec += 1000000000;
    } else if (moment->tv_nsec >= 1000000000) {
        moment->tv_sec += 1;
        moment->tv_nsec -= 1000000000;
    }
}

int clock_gettime(clockid_t clock, struct timespec *moment)
{
    static int (*ask)(clockid_t, struct timespec *);
    if (!ask)
        ask = REAL(clock_gettime);
    int result = ask(clock, moment);
    if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        shift(moment);
    return result;
}

int gettimeofday(struct timeval *moment, void *zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now))
        return -1;
    moment->tv_sec = now.tv_sec;
    moment->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}
