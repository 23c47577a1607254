// A disk that a test can watch and hold: loaded before the C library, it stands in for the calls by
// which a program asks for a flush or a folder, or writes to a journal. Orders are files of the
// folder in DISK_SHIM:
//
//   hold    a flush waits until nobody has this locked; `held` is made when one waits
//   slow    a flush takes so many ms more as this says
//   broken  a flush fails
//   full    no folder can be made
//   torn    a journal takes half of one write, makes `half`, and has no room for any other
//
// Each flush that came back well adds a byte to `flushed`.

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_in_folder(const char *name, int flags) {
    const char *folder = getenv("DISK_SHIM");
    char path[4096];
    if (!folder || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        abort();
    return syscall(SYS_openat, AT_FDCWD, path, flags | O_CLOEXEC, 0600);
}

static int is_ordered(const char *name) {
    int file = open_in_folder(name, O_RDONLY);
    if (file >= 0)
        close(file);
    return file >= 0;
}

static void note(const char *name) {
    int file = open_in_folder(name, O_WRONLY | O_CREAT | O_APPEND);
    if (file < 0 || syscall(SYS_write, file, ".", 1) != 1)
        abort();
    close(file);
}

static void wait_if_held(void) {
    int file = open_in_folder("hold", O_RDONLY);
    if (file < 0)
        return;
    note("held");
    while (flock(file, LOCK_SH) != 0)
        if (errno != EINTR)
            abort();
    close(file);
}

static void take_your_time(void) {
    char text[8] = "";
    int file = open_in_folder("slow", O_RDONLY);
    if (file < 0)
        return;
    if (read(file, text, sizeof text - 1) < 0)
        abort();
    close(file);
    usleep(1000 * atoi(text));
}

static int flush(long call, int file) {
    wait_if_held();
    take_your_time();
    if (is_ordered("broken")) {
        errno = EIO;
        return -1;
    }
    int done = syscall(call, file);
    if (done == 0)
        note("flushed");
    return done;
}

int fdatasync(int file) { return flush(SYS_fdatasync, file); }

int fsync(int file) { return flush(SYS_fsync, file); }

int mkdir(const char *path, mode_t mode) {
    if (is_ordered("full")) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
}

static int is_journal(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t len = readlink(link, path, sizeof path);
    return len > 4 && memcmp(path + len - 4, ".jnl", 4) == 0;
}

ssize_t write(int file, const void *bytes, size_t len) {
    if (is_ordered("torn") && is_journal(file)) {
        if (is_ordered("half")) {
            errno = ENOSPC;
            return -1;
        }
        note("half");
        len = (len + 1) / 2;
    }
    return syscall(SYS_write, file, bytes, len);
}
