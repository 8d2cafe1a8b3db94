/* File operations as >= 0 or -errno, interrupted calls taken up again. */
#ifndef RSX_DISK_H
#define RSX_DISK_H
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static inline int rsx_disk_open(const char *path, int flags) {
    int mode = (flags & 1) ? O_RDWR : O_RDONLY;
    int fd;
    if (flags & 2) mode |= O_CREAT | O_TRUNC;
    do fd = open(path, mode | O_CLOEXEC, 0600);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}
static inline int rsx_disk_close(int fd) { return close(fd) ? -errno : 0; }
static inline int64_t rsx_disk_read(int fd, void *at, uint64_t size, int64_t offset) {
    ssize_t done;
    do done = pread(fd, at, size, offset);
    while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}
static inline int64_t rsx_disk_write(int fd, const void *at, uint64_t size, int64_t offset) {
    ssize_t done;
    do done = pwrite(fd, at, size, offset);
    while (done < 0 && errno == EINTR);
    return done < 0 ? -errno : done;
}
static inline int rsx_disk_sync(int fd) {
#if defined(__APPLE__)
    return fcntl(fd, F_FULLFSYNC) ? -errno : 0; /* fsync there does not reach the medium */
#else
    return fdatasync(fd) ? -errno : 0;
#endif
}
static inline int rsx_disk_resize(int fd, int64_t size) { return ftruncate(fd, size) ? -errno : 0; }
static inline int64_t rsx_disk_size(int fd) {
    struct stat about;
    return fstat(fd, &about) ? -errno : (int64_t)about.st_size;
}
static inline int rsx_disk_rename(const char *from, const char *to) {
    return rename(from, to) ? -errno : 0;
}
static inline int rsx_disk_unlink(const char *path) { return unlink(path) ? -errno : 0; }
static inline int rsx_disk_sync_folder(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC), done;
    if (fd < 0) return -errno;
    done = fsync(fd) ? -errno : 0;
    close(fd);
    return done == -EINVAL ? 0 : done; /* some file systems cannot sync a folder; they need not */
}
#endif
