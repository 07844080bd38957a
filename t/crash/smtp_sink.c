/* smtp_sink.c - the next hop that keeps accounts: every message is compared with what its number says it must be.
 *
 *	smtp_sink [-m] [-o deliveries] PORT
 *
 * Each delivery is a line "time n k,k,... ok|bad|drop": seconds since the epoch as the reply goes out, number, recipients. Notes "D n k" are
 * made before the reply, for from then on the relay may forget the recipient. With -m it misbehaves, always to the same messages
 * (by their number): answers 451 to the first attempt, or closes the connection at the end of data without having taken
 * the message, or having taken it ("drop": such a message arrives again, by right). */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "mail.h"

enum { CONNS = 4096, RCPTS = 100, EVENTS = 64 };

struct conn {
	char	*in;
	size_t	 len, cap, scanned;
	bool	 data;
	unsigned n, rcpt[RCPTS];
	char	 out[4096];
	size_t	 out_len;
};
static struct conn *conn[CONNS];
static FILE *deliveries;
static bool misbehaves;
static unsigned char *seen;		/* numbers whose first attempt was */
static size_t seen_size;

static bool first_time(uint64_t n)
{
	size_t more;

	if (n / 8 >= seen_size) {
		more = 2 * (n / 8) + 4096;
		if ((seen = realloc(seen, more)) == NULL)
			abort();
		memset(seen + seen_size, 0, more - seen_size);
		seen_size = more;
	}
	if ((seen[n / 8] >> n % 8 & 1) != 0)
		return false;
	seen[n / 8] |= (unsigned char)(1 << n % 8);
	return true;
}

static void say(struct conn *c, const char *text)
{
	size_t n = strlen(text);

	if (c->out_len + n < sizeof(c->out)) {
		memcpy(c->out + c->out_len, text, n);
		c->out_len += n;
	}
}

static bool flush_out(int fd, struct conn *c)
{
	ssize_t n = c->out_len > 0 ? send(fd, c->out, c->out_len, MSG_NOSIGNAL) : 0;
	bool all = n == (ssize_t)c->out_len;

	c->out_len = 0;
	return all;
}

static bool whole(const char *p, size_t len, uint64_t n)
{
	const char *body = memmem(p, len, "\r\n\r\n", 4);
	size_t rest;

	if (body == NULL)
		return false;
	body += 4;
	rest = len - (size_t)(body - p);
	return rest == (size_t)crash_lines(n) * CRASH_LINE && crash_body_is(body, n, 0, rest);
}

static void write_down(const struct conn *c, uint64_t n, const char *what)
{
	struct timeval tv;
	unsigned i;

	gettimeofday(&tv, NULL);
	fprintf(deliveries, "%lld.%06ld %llu ", (long long)tv.tv_sec, (long)tv.tv_usec, (unsigned long long)n);
	for (i = 0; i < c->n; i++)
		fprintf(deliveries, "%s%u", i > 0 ? "," : "", c->rcpt[i]);
	fprintf(deliveries, " %s\n", what);
	fflush(deliveries);
}

/* False: close. */
static bool message(struct conn *c, const char *p, size_t len)
{
	uint64_t n = crash_id(p, len);
	unsigned salt = (unsigned)(crash_mix(n) >> 8) % 100, i;
	bool fine = n == 0 || whole(p, len, n), drop = false;

	c->data = false;
	if (misbehaves && n != 0 && salt < 6 && first_time(n)) {
		if (salt < 2) {
			say(c, "451 4.3.0 not now\r\n");
			return true;
		}
		if (salt < 4)
			return false;
		drop = true;
	}
	for (i = 0; n != 0 && fine && i < c->n; i++)
		crash_note("D %llu %u", (unsigned long long)n, c->rcpt[i]);
	write_down(c, n, !fine ? "bad" : drop ? "drop" : "ok");
	if (drop)
		return false;
	say(c, "250 2.0.0 taken\r\n");
	return true;
}

static bool command(struct conn *c, const char *p, size_t len)
{
	const char *u;

	if (len >= 4 && strncasecmp(p, "EHLO", 4) == 0) {
		say(c, "250-sink.example.net\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250 8BITMIME\r\n");
	} else if (len >= 4 && strncasecmp(p, "RCPT", 4) == 0) {
		u = memchr(p, '<', len);
		if (c->n < RCPTS && u != NULL)
			c->rcpt[c->n++] = u[1] == 'u' ? (unsigned)strtoul(u + 2, NULL, 10) : 0;
		say(c, "250 2.1.5 ok\r\n");
	} else if (len >= 4 && strncasecmp(p, "DATA", 4) == 0) {
		c->data = c->n > 0;
		say(c, c->data ? "354 go ahead\r\n" : "554 5.5.1 nobody\r\n");
	} else if (len >= 4 && strncasecmp(p, "QUIT", 4) == 0) {
		say(c, "221 2.0.0 bye\r\n");
		return false;
	} else {
		if (len >= 4 && (strncasecmp(p, "MAIL", 4) == 0 || strncasecmp(p, "RSET", 4) == 0))
			c->n = 0;
		say(c, "250 2.0.0 ok\r\n");
	}
	return true;
}

static bool work(struct conn *c)
{
	char *p = c->in, *end = c->in + c->len, *q;
	bool go = true;

	while (go && p < end) {
		if (c->data) {
			q = memmem(p + c->scanned, (size_t)(end - p) - c->scanned, "\r\n.\r\n", 5);
			if (q == NULL) {
				c->scanned = end - p > 4 ? (size_t)(end - p) - 4 : 0;
				break;
			}
			go = message(c, p, (size_t)(q + 2 - p));
			p = q + 5;
		} else {
			if ((q = memchr(p, '\n', (size_t)(end - p))) == NULL)
				break;
			go = command(c, p, (size_t)(q - p));
			p = q + 1;
		}
		c->scanned = 0;
	}
	c->len = (size_t)(end - p);
	memmove(c->in, p, c->len);
	return go;
}

static void readable(int fd)
{
	struct conn *c = conn[fd];
	ssize_t n;
	bool go;

	if (c->cap - c->len < 65536) {
		c->cap = 2 * c->cap + 131072;
		if ((c->in = realloc(c->in, c->cap)) == NULL)
			abort();
	}
	n = read(fd, c->in + c->len, c->cap - c->len);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0) {
		c->len += (size_t)n;
		go = work(c);
		if (flush_out(fd, c) && go)
			return;
	}
	conn[fd] = NULL;
	close(fd);
	free(c->in);
	free(c);
}

static void accept_all(int ep, int l)
{
	struct epoll_event e = { .events = EPOLLIN };
	int fd, one = 1;

	while ((fd = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		if (fd >= CONNS) {
			close(fd);
			continue;
		}
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		if ((conn[fd] = calloc(1, sizeof(**conn))) == NULL)
			abort();
		e.data.fd = fd;
		epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
		say(conn[fd], "220 sink.example.net ESMTP\r\n");
		flush_out(fd, conn[fd]);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct epoll_event e = { .events = EPOLLIN }, ev[EVENTS];
	int opt, l, ep, n, one = 1;

	deliveries = stdout;
	while ((opt = getopt(argc, argv, "mo:")) != -1) {
		if (opt == 'm')
			misbehaves = true;
		else if (opt != 'o' || (deliveries = fopen(optarg, "a")) == NULL)
			return 2;
	}
	if (optind + 1 != argc)
		return 2;
	at.sin_port = htons((uint16_t)atoi(argv[optind]));
	l = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(l, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(l, 1024) < 0) {
		perror("smtp_sink");
		return 1;
	}
	ep = epoll_create1(EPOLL_CLOEXEC);
	e.data.fd = l;
	epoll_ctl(ep, EPOLL_CTL_ADD, l, &e);
	for (;;) {
		n = epoll_wait(ep, ev, EVENTS, -1);
		while (n-- > 0) {
			if (ev[n].data.fd == l)
				accept_all(ep, l);
			else
				readable(ev[n].data.fd);
		}
	}
}
