/* local.c - a UNIX socket by directory and name. The kernel takes 107 bytes of path; a queue directory may be
 * deeper, so the directory is opened and the socket addressed through /proc/self/fd. A new socket is bound
 * under another name and renamed, so that it is never missing while a server is replaced. */
#include "frame.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 128 };

static int bind_in(int s, int dir, const char *name)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	char fresh[64];
	int rc;

	snprintf(fresh, sizeof(fresh), ".%s.%ld", name, (long)getpid());
	snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, fresh);
	unlinkat(dir, fresh, 0);
	if (bind(s, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return -1;
	rc = fchmodat(dir, fresh, 0666, 0);
	if (rc == 0)
		rc = listen(s, BACKLOG);
	if (rc == 0)
		rc = renameat(dir, fresh, dir, name);
	if (rc < 0)
		unlinkat(dir, fresh, 0);
	return rc;
}

int local_socket(const char *path, const char *name, bool listening)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int dir, s, rc, e;

	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -1;
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (listening ? SOCK_NONBLOCK : 0), 0);
	if (s < 0) {
		rc = -1;
	} else if (listening) {
		rc = bind_in(s, dir, name);
	} else {
		snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, name);
		rc = connect(s, (struct sockaddr *)&sa, sizeof(sa));
	}
	e = errno;
	close(dir);
	if (rc == 0)
		return s;
	if (s >= 0)
		close(s);
	errno = e;
	return -1;
}
