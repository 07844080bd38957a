/* file.h - whole-file helpers for start-up, commands and worker jobs. All of them
 * block: never called on the loop. */
#ifndef POSTRIDER_FILE_H
#define POSTRIDER_FILE_H
#include <postrider/base.h>
#include <sys/types.h>

/* Who else to ask for a file that we may not open ourselves: a process without privileges asks its parent for
 * what the configuration names. fn returns a descriptor, or -1 with *err_r. Set before anything is opened. */
void	file_set_opener(int (*fn)(const char *path, bool append, int *err_r));
int	file_open_read(const char *path) MUST_USE;	/* read-only, close-on-exec; -1 with errno */
int	file_open_append(const char *path, mode_t mode) MUST_USE;	/* a log file: made if absent, never blocks */

/* The whole file, at most max bytes, NUL-terminated, malloced; NULL with errno
 * (EFBIG when larger). len_r may be NULL. */
char	*file_read(const char *path, size_t max, size_t *len_r) MUST_USE;
/* Writes path.tmp.PID, fsyncs, renames; fsyncs the directory. 0 or -1 with errno. */
int	 file_replace(const char *path, const void *p, size_t n, mode_t mode) MUST_USE;
int	 file_fsync_dir(const char *dir) MUST_USE;
int	 file_mkdirs(const char *path, mode_t mode) MUST_USE;	/* like mkdir -p; existing is fine */
ssize_t	 file_read_full(int fd, void *p, size_t n) MUST_USE;	/* until n, EOF or error */
int	 file_write_full(int fd, const void *p, size_t n) MUST_USE;
bool	 file_on_nfs(const char *path);
int64_t	 file_mtime_us(const char *path);			/* -1: absent */
void	 fd_nonblock(int fd);
void	 fd_cloexec(int fd);
#endif
