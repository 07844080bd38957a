/* load.c - an SMTP load generator and sink on one epoll loop, for the figures that Postfix's tools cannot give.
 *
 *   load latency PORT SINK_PORT COUNT BYTES     one message at a time, a connection each; the sink is here too
 *       prints p50 and p99 in us of: connect_250, next_hop (from 250 on), whole (connect to next hop)
 *   load idle PORT SESSIONS FRESH               opens SESSIONS, EHLO each; prints "ready"; then FRESH new connections one
 *       by one, prints banner_p50_us banner_p99_us; holds everything until its standard input ends
 *   load many PORT SESSIONS BYTES               all sessions connected at once, then a message on each; prints ok failed seconds
 *   load drip PORT SESSIONS SECONDS             sessions that send one byte a second; prints "ready", ends by itself
 *   load rate PORT SESSIONS SECONDS BYTES       sessions each sending message after message; prints accepted per second
 *   load sink PORT                              only the sink; prints the count of messages at each line read from standard input */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum state { BANNER, EHLO, MAIL, RCPT, DATA, SENT, QUIT, HELD, DRIP };
struct conn {
	int		 fd;
	bool		 sink, listener, in_data;
	enum state	 state;
	int64_t		 t0;
	long		 id;		/* client: of the message under way */
	size_t		 len;		/* sink: bytes of an unfinished line or the dot's tail */
	char		 line[256];
	bool		 hold, repeat;	/* client: stop after EHLO; begin the next message */
	const char	*rest;		/* client: body bytes not yet taken by the kernel */
	size_t		 rest_len;
};
static int ep;
static char *message;
static size_t message_len;
static long done, failed, arrived, next_id;
static long in_flight;
static int64_t *sent_us, *arrived_us, *begun_us, *banner_us;
static long banners;
static bool drip_mode;

static int64_t us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static void die(const char *what)
{
	fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(struct conn *c, int op, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = c };

	if (epoll_ctl(ep, op, c->fd, &e) < 0)
		die("epoll_ctl");
}

static struct conn *conn_new(int fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	int one = 1;

	c->fd = fd;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return c;
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static struct conn *client_new(int port)
{
	struct sockaddr_in sa = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct conn *c;

	if (fd < 0)
		die("socket");
	c = conn_new(fd);
	c->t0 = us();
	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS)
		die("connect");
	c->state = drip_mode ? DRIP : BANNER;
	watch(c, EPOLL_CTL_ADD, EPOLLIN);
	in_flight++;
	return c;
}

static void conn_end(struct conn *c, bool ok)
{
	if (!c->sink) {
		in_flight--;
		if (!ok)
			failed++;
	}
	close(c->fd);
	free(c);
}

static void say(struct conn *c, const char *text)
{
	if (write(c->fd, text, strlen(text)) < 0 && errno != EPIPE && errno != ECONNRESET)
		die("write");
}

static void body_push(struct conn *c)
{
	while (c->rest_len > 0) {
		ssize_t n = write(c->fd, c->rest, c->rest_len);

		if (n < 0) {
			if (errno == EAGAIN)
				watch(c, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			return;
		}
		c->rest += n;
		c->rest_len -= (size_t)n;
	}
	watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void mail_begin(struct conn *c)
{
	c->id = next_id++;
	c->state = MAIL;
	if (c->repeat && begun_us == NULL)
		c->t0 = us();
	say(c, "MAIL FROM:<a@example.net>\r\n");
}

/* One reply line that ends a reply; false: the connection is over. */
static bool client_reply(struct conn *c, int code)
{
	static const int want[] = { 220, 250, 250, 250, 354, 250, 221, 0, 0 };
	char head[128];

	if (code != want[c->state]) {
		if (failed < 5)
			fprintf(stderr, "load: state %d: %s\n", c->state, c->line);
		conn_end(c, false);
		return false;
	}
	switch (c->state) {
	case BANNER:
		if (banner_us != NULL)
			banner_us[banners++] = us() - c->t0;
		c->state = EHLO;
		say(c, "EHLO load.example.net\r\n");
		break;
	case EHLO:
		if (c->hold) {
			c->state = HELD;
			done++;
			break;
		}
		mail_begin(c);
		break;
	case MAIL:
		c->state = RCPT;
		say(c, "RCPT TO:<b@sink.example>\r\n");
		break;
	case RCPT:
		c->state = DATA;
		say(c, "DATA\r\n");
		break;
	case DATA:
		c->state = SENT;
		snprintf(head, sizeof(head), "X-Id: %ld\r\n", c->id);
		say(c, head);
		c->rest = message;
		c->rest_len = message_len;
		body_push(c);
		break;
	case SENT:
		if (sent_us != NULL) {
			sent_us[c->id] = us();
			begun_us[c->id] = c->t0;
		}
		done++;
		if (c->repeat) {
			mail_begin(c);
			break;
		}
		c->state = QUIT;
		say(c, "QUIT\r\n");
		break;
	default:
		conn_end(c, true);
		return false;
	}
	return true;
}

static void client_input(struct conn *c)
{
	char b[4096];
	ssize_t n = read(c->fd, b, sizeof(b));

	if (n <= 0) {
		if (n < 0 && errno == EAGAIN)
			return;
		if (c->state != QUIT && failed < 5)
			fprintf(stderr, "load: state %d: connection lost: %s\n", c->state, n < 0 ? strerror(errno) : "end");
		conn_end(c, c->state == QUIT);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (b[i] != '\n') {
			if (c->len < sizeof(c->line) - 1)
				c->line[c->len++] = b[i];
			continue;
		}
		c->line[c->len] = '\0';
		if (c->len >= 4 && c->line[3] == ' ' && c->state != HELD && c->state != DRIP && !client_reply(c, atoi(c->line)))
			return;
		c->len = 0;
	}
}

/* ---- the sink ----------------------------------------------------------------------------------------- */
static void sink_line(struct conn *c)
{
	c->line[c->len] = '\0';
	if (c->in_data) {
		if (strncmp(c->line, "X-Id: ", 6) == 0)
			c->id = atol(c->line + 6);
		if (c->len == 1 && c->line[0] == '.') {
			c->in_data = false;
			arrived++;
			if (arrived_us != NULL)
				arrived_us[c->id] = us();
			say(c, "250 2.0.0 Ok\r\n");
		}
	} else if (strncasecmp(c->line, "DATA", 4) == 0) {
		c->in_data = true;
		say(c, "354 go\r\n");
	} else if (strncasecmp(c->line, "EHLO", 4) == 0) {
		say(c, "250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
	} else if (strncasecmp(c->line, "QUIT", 4) == 0) {
		say(c, "221 bye\r\n");
	} else {
		say(c, "250 2.1.0 Ok\r\n");
	}
}

static void sink_input(struct conn *c)
{
	char b[65536];
	ssize_t n = read(c->fd, b, sizeof(b));

	if (n <= 0) {
		if (n == 0 || errno != EAGAIN)
			conn_end(c, true);
		return;
	}
	for (ssize_t i = 0; i < n; i++) {
		if (b[i] == '\n') {
			if (c->len > 0 && c->line[c->len - 1] == '\r')
				c->len--;
			sink_line(c);
			c->len = 0;
		} else if (c->len < sizeof(c->line) - 1)
			c->line[c->len++] = b[i];
	}
}

static void sink_accept(struct conn *l)
{
	int fd;

	while ((fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = conn_new(fd);

		c->sink = true;
		say(c, "220 sink ESMTP\r\n");
		watch(c, EPOLL_CTL_ADD, EPOLLIN);
	}
}

static void sink_open(int port)
{
	struct sockaddr_in sa = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	struct conn *c;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 4096) < 0)
		die("sink");
	c = conn_new(fd);
	c->sink = c->listener = true;
	watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

static void turn(int wait_ms)
{
	struct epoll_event e[512];
	int n = epoll_wait(ep, e, 512, wait_ms);

	for (int i = 0; i < n; i++) {
		struct conn *c = e[i].data.ptr;

		if (c->listener)
			sink_accept(c);
		else if (c->sink)
			sink_input(c);
		else if ((e[i].events & EPOLLOUT) != 0 && c->rest_len > 0)
			body_push(c);
		else
			client_input(c);
	}
}

/* ---- the scenarios --------------------------------------------------------------------------------------- */
static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static void print_percentiles(const char *name, int64_t *v, long n)
{
	qsort(v, (size_t)n, sizeof(*v), compare);
	printf("%s_p50_us %lld %s_p99_us %lld\n", name, n > 0 ? (long long)v[n / 2] : -1, name, n > 0 ? (long long)v[n * 99 / 100] : -1);
}

static void latency(int port, int sink, long count)
{
	int64_t *first = calloc((size_t)count, sizeof(*first)), *second = calloc((size_t)count, sizeof(*second)),
	    *whole = calloc((size_t)count, sizeof(*whole));

	sent_us = calloc((size_t)count, sizeof(*sent_us));
	begun_us = calloc((size_t)count, sizeof(*begun_us));
	arrived_us = calloc((size_t)count, sizeof(*arrived_us));
	sink_open(sink);
	for (long i = 0; i < count; i++) {
		int64_t limit = us() + 20000000;

		client_new(port);
		while ((in_flight > 0 || arrived < i + 1) && failed == 0) {
			turn(1000);
			if (us() > limit) {
				fprintf(stderr, "load: message %ld did not arrive\n", i);
				exit(1);
			}
		}
		if (failed > 0)
			exit(1);
		first[i] = sent_us[i] - begun_us[i];
		second[i] = arrived_us[i] - sent_us[i];
		whole[i] = arrived_us[i] - begun_us[i];
	}
	print_percentiles("connect_250", first, count);
	print_percentiles("next_hop", second, count);
	print_percentiles("whole", whole, count);
}

static void idle(int port, long sessions, long fresh)
{
	char line[64];

	for (long i = 0; i < sessions; i++) {
		client_new(port)->hold = true;
		while (i + 1 - done - failed > 200)
			turn(1000);
	}
	while (done + failed < sessions)
		turn(1000);
	printf("ready %ld failed %ld\n", done, failed);
	fflush(stdout);
	banner_us = calloc((size_t)fresh, sizeof(*banner_us));
	for (long i = 0; i < fresh; i++) {
		long before = done;

		client_new(port)->hold = true;
		while (done == before && failed == 0)
			turn(1000);
	}
	print_percentiles("banner", banner_us, banners);
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) != NULL)
		continue;
}

static void many(int port, long sessions)
{
	struct conn **all = calloc((size_t)sessions, sizeof(*all));
	int64_t t0 = us();

	for (long i = 0; i < sessions; i++) {
		all[i] = client_new(port);
		all[i]->hold = true;
		while (i + 1 - done - failed > 500)
			turn(1000);
	}
	while (done + failed < sessions)
		turn(1000);
	done = 0;
	if (failed == 0)
		for (long i = 0; i < sessions; i++)
			mail_begin(all[i]);
	while (in_flight > 0 && us() - t0 < 300000000)
		turn(1000);
	printf("ok %ld failed %ld seconds %.3f\n", done, failed, (double)(us() - t0) / 1e6);
	free(all);
}

static void drip(int port, long sessions, long seconds)
{
	struct conn **all = calloc((size_t)sessions, sizeof(*all));

	drip_mode = true;
	for (long i = 0; i < sessions; i++)
		all[i] = client_new(port);
	printf("ready\n");
	fflush(stdout);
	for (long s = 0; s < seconds; s++) {
		int64_t end = us() + 1000000;

		while (us() < end)
			turn(20);
		for (long i = 0; i < sessions; i++)
			if (write(all[i]->fd, "x", 1) < 0 && errno != EAGAIN)
				continue;
	}
	free(all);
}

static void rate(int port, long sessions, long seconds)
{
	int64_t t0, limit;

	for (long i = 0; i < sessions; i++)
		client_new(port)->repeat = true;
	t0 = us();
	for (limit = t0 + seconds * 1000000; us() < limit && failed == 0;)
		turn(100);
	printf("accepted %ld failed %ld rate %.1f\n", done, failed, (double)done * 1e6 / (double)(us() - t0));
}

int main(int argc, char **argv)
{
	struct rlimit rl;
	long a[5] = { 0 };
	size_t bytes = 4096;

	for (int i = 2; i < argc && i < 7; i++)
		a[i - 2] = atol(argv[i]);
	if (argc < 3) {
		fprintf(stderr, "usage: see the top of load.c\n");
		return 2;
	}
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	if (strcmp(argv[1], "latency") == 0 || strcmp(argv[1], "rate") == 0)
		bytes = (size_t)a[3];
	else if (strcmp(argv[1], "many") == 0)
		bytes = (size_t)a[2];
	message = malloc(bytes + 256);
	message_len = (size_t)sprintf(message, "Subject: load\r\n\r\n");
	while (message_len < bytes)
		message_len += (size_t)sprintf(message + message_len, "%s", "0123456789012345678901234567890123456789012345678901234567890123456789\r\n");
	message_len += (size_t)sprintf(message + message_len, ".\r\n");
	ep = epoll_create1(EPOLL_CLOEXEC);
	if (strcmp(argv[1], "latency") == 0)
		latency((int)a[0], (int)a[1], a[2]);
	else if (strcmp(argv[1], "idle") == 0)
		idle((int)a[0], a[1], a[2]);
	else if (strcmp(argv[1], "many") == 0)
		many((int)a[0], a[1]);
	else if (strcmp(argv[1], "drip") == 0)
		drip((int)a[0], a[1], a[2]);
	else if (strcmp(argv[1], "rate") == 0)
		rate((int)a[0], a[1], a[2]);
	else if (strcmp(argv[1], "sink") == 0) {
		char line[64];

		sink_open((int)a[0]);
		fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
		for (;;) {
			turn(20);
			ssize_t n = read(STDIN_FILENO, line, sizeof(line));
			if (n == 0)
				break;
			if (n > 0) {
				printf("%ld\n", arrived);
				fflush(stdout);
			}
		}
	}
	return failed > 0;
}
