/* connect.c - making a connection to one address, or to a UNIX socket.
 *
 * A try may fail for a reason of our own making: the source address (smtp_bind_address) is not ours any more, or a
 * chrooted service's absolute path means what it says. Then there is a second try without. */
#include "client.h"
#include <errno.h>
#include <stdio.h>
#include <sys/un.h>

static void connect_failed(struct attempt *a, const char *what)
{
	if (a->local)
		why_set(a, "4.4.1", NULL, "connect to %s[%s]: %s", a->svc->p.myhostname, a->path, what);
	else
		why_set(
		    a, "4.4.1", NULL, "connect to %s[%s]:%u: %s", a->opening.host, a->opening.addr, a->at.port, what);
	stream_free(&a->opening.stream);
	if (!a->local)
		log_info(&a->d->log, "%s", buf_str(&a->why.text));
	attempt_enter(a, a->local ? ST_LEFTOVER : ST_NEXT_HOP);
}

/* UNIX sockets: relative to the queue directory; in a chrooted service absolute ones are looked for below it, too. */
static bool local_address(struct attempt *a, struct sockaddr_un *un)
{
	const char *path = a->path, *queue = a->svc->p.queue_directory;
	bool below = *path != '/' || a->svc->p.chroot;

	*un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(un->sun_path) ||
	    (size_t)snprintf(un->sun_path, sizeof(un->sun_path), "%s%s%s", below ? queue : "",
		below && *path != '/' ? "/" : "", path) >= sizeof(un->sun_path)) {
		log_warn(&a->d->log, "unix-domain name too long: %s", path);
		return false;
	}
	return true;
}

static void connect_local(struct attempt *a)
{
	struct sockaddr_un un;

	if (!local_address(a, &un)) {
		why_set(a, "4.3.5", NULL, "Server configuration error");
		a->opening.stream = NULL;
		return;
	}
	if (a->retry_unbound)		/* not found below the queue directory: the absolute path */
		str_copy(un.sun_path, a->path, sizeof(un.sun_path));
	a->opening.host = a->svc->p.myhostname;
	str_copy(a->opening.addr, a->path, sizeof(a->opening.addr));
	memset(&a->opening.sa, 0, sizeof(a->opening.sa));
	memcpy(&a->opening.sa, &un, sizeof(un));
	a->opening.stream = stream_connect((struct sockaddr *)&un, sizeof(un), NULL, 0, a->d->task, CONN_IN_MAX);
}

static void connect_inet(struct attempt *a)
{
	const struct hop *h = &a->route.hop[a->ihop - 1];
	const struct sockaddr_storage *from = h->sa.ss_family == AF_INET ? &a->svc->bind4 : &a->svc->bind6;

	a->bound = from->ss_family != 0 && !a->retry_unbound;
	a->opening.host = h->host;
	a->opening.sa = h->sa;
	sockaddr_name((const struct sockaddr *)&h->sa, a->opening.addr, sizeof(a->opening.addr));
	a->opening.stream = stream_connect((const struct sockaddr *)&h->sa, h->len,
	    a->bound ? (const struct sockaddr *)from : NULL, a->bound ? h->len : 0, a->d->task, CONN_IN_MAX);
}

void connect_start(struct attempt *a)
{
	if (a->local)
		connect_local(a);
	else
		connect_inet(a);
	if (a->opening.stream != NULL && a->svc->p.connect_ms > 0)
		stream_deadline(a->opening.stream, a->svc->p.connect_ms);
}

/* The first try may have failed for a reason of our own: the source address, or the chroot's path. */
static bool connect_again(struct attempt *a, const char *what)
{
	bool no_source = a->bound && strcmp(what, strerror(EADDRNOTAVAIL)) == 0;
	bool no_path = a->local && a->svc->p.chroot && *a->path == '/' && strcmp(what, strerror(ENOENT)) == 0;

	if (a->retry_unbound || (!no_source && !no_path))
		return false;
	if (no_source) {
		char name[128];
		bool v4 = a->opening.sa.ss_family == AF_INET;

		sockaddr_name((const struct sockaddr *)(v4 ? &a->svc->bind4 : &a->svc->bind6), name, sizeof(name));
		log_warn(&a->d->log, "smtp_connect_addr: bind %s: %s", name, what);
	}
	if (no_source && a->svc->p.bind_enforce) {
		why_set(a, "4.4.0", NULL, "server configuration error");
		stream_free(&a->opening.stream);
		log_info(&a->d->log, "%s", buf_str(&a->why.text));
		attempt_enter(a, ST_NEXT_HOP);
		return true;
	}
	stream_free(&a->opening.stream);
	a->retry_unbound = true;
	connect_start(a);
	return true;
}

bool connect_step(struct attempt *a)
{
	struct conn *c;

	if (a->opening.stream == NULL) {
		attempt_enter(a, ST_LEFTOVER);
		return true;
	}
	switch (stream_connect_poll(a->opening.stream)) {
	case STREAM_WAIT:
		return false;
	case STREAM_OK:
		break;
	case STREAM_TIMEOUT:
		connect_failed(a, strerror(ETIMEDOUT));
		return true;
	default:
		if (!connect_again(a, stream_why(a->opening.stream)))
			connect_failed(a, stream_why(a->opening.stream));
		return true;
	}
	c = conn_new(a->svc, a->opening.stream, a->opening.host, a->opening.addr, a->local ? 0 : a->at.port);
	a->opening.stream = NULL;
	c->sa = a->opening.sa;
	c->alternatives = a->route.nhop > 1;
	smtp_counts.connections++;
	session_begin(a, c, false);
	attempt_enter(a, ST_BANNER);
	return true;
}
