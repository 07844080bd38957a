/* stream_core.c - lines, limits, half-closed and vanished peers, queues, connecting, closing, TLS seam. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include <postrider/buf.h>
#include <postrider/clock.h>
#include <postrider/loop.h>
#include <postrider/stream.h>

#include "tap.h"

static const char *const names[] = { "WAIT", "OK", "TOO_LONG", "EOF", "ERROR", "TIMEOUT" };
static struct buf trace;

/* The owner of a stream under test: reads lines and notes what comes. */
struct owner {
	struct task	 task;
	struct stream	*s;
	size_t		 max;
	int		 runs;
	bool		 idle;		/* does not read */
	void		(*then)(struct owner *);
};

static void owner_run(struct task *t)
{
	struct owner *o = CONTAINER_OF(t, struct owner, task);
	struct slice line;
	enum stream_result r;

	o->runs++;
	if (o->then != NULL) {
		o->then(o);
		return;
	}
	if (o->idle)
		return;
	for (;;) {
		r = stream_line(o->s, o->max, &line);
		if (r == STREAM_WAIT)
			return;
		if (r == STREAM_OK || r == STREAM_TOO_LONG) {
			buf_addf(&trace, "%s(%.*s) ", r == STREAM_OK ? "" : "LONG", (int)line.len, line.p);
			continue;
		}
		buf_addf(&trace, "%s ", names[r]);
		loop_stop();
		return;
	}
}

static void owner_init(struct owner *o, void (*then)(struct owner *))
{
	*o = (struct owner){ .max = 1000, .then = then };
	task_init(&o->task, "owner", owner_run);
}

static struct task stop_task;

static void stop_run(struct task *t)
{
	(void)t;
	loop_stop();
}

static void run_ms(int64_t ms)
{
	struct timer limit = { 0 };

	timer_start(&limit, &stop_task, ms);
	loop_run();
	timer_end(&limit);
	task_unlink(&stop_task);
}

/* A TCP connection over loopback: far end in *far_r, near end (non-blocking) returned. */
static int tcp_pair(int *far_r)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int l = socket(AF_INET, SOCK_STREAM, 0), near;

	if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, (struct sockaddr *)&sin, &len) < 0)
		exit(1);
	*far_r = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(*far_r, (struct sockaddr *)&sin, sizeof(sin)) < 0)
		exit(1);
	near = accept4(l, NULL, NULL, SOCK_NONBLOCK);
	close(l);
	return near;
}

static void put(int fd, const char *text)
{
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text))
		diag("short write: %s", strerror(errno));
}

static void reset_close(int fd)
{
	struct linger hard = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(fd);
}

static void is_trace(const char *want, const char *what)
{
	is_str(buf_str(&trace), want, "%s", what);
	buf_reset(&trace);
}

static void test_lines(void)
{
	struct owner o;
	int far;

	owner_init(&o, NULL);
	o.s = stream_new(tcp_pair(&far), &o.task, 64);
	o.max = 20;
	task_wake(&o.task);
	run_ms(5);
	put(far, "EHLO a\r\nMAIL");
	run_ms(10);
	is_trace("(EHLO a\r) ", "one line and a part");
	is_int((intmax_t)stream_readable(o.s), 4, "the part waits");
	put(far, " FROM:<>\r\n\n12345678901234567890\nx");
	run_ms(10);
	is_trace("(MAIL FROM:<>\r) () (12345678901234567890) ", "the rest, an empty one, one of just the limit");
	put(far, "23456789012345678901\n");
	run_ms(10);
	is_trace("LONG(x2345678901234567890) (1) ", "too long");
	for (int i = 0; i < 40; i++)
		put(far, "another of 20 bytes\n");
	put(far, "last\r\nunfinished");
	shutdown(far, SHUT_WR);
	run_ms(50);
	ok(strncmp(buf_str(&trace), "(another of 20 bytes) (another", 30) == 0 && strlen(buf_str(&trace)) == 40 * 22 + 12,
	    "40 lines through a small buffer");
	buf_drop(&trace, 40 * 22);
	is_trace("(last\r) EOF ", "all that was sent before the half close, then EOF");
	ok(!stream_gone(o.s), "unread bytes: not gone");
	struct slice r;

	ok(stream_peek(o.s, &r) == STREAM_OK && r.len == 10 && memcmp(r.p, "unfinished", 10) == 0, "and can be had");
	stream_consume(o.s, r.len);
	ok(stream_peek(o.s, &r) == STREAM_EOF && stream_gone(o.s), "gone");
	stream_puts(o.s, "still ");
	stream_printf(o.s, "%s\r\n", "here");
	ok(stream_flush(o.s) == STREAM_OK, "replies still go out");
	char got[100];
	ssize_t n = recv(far, got, sizeof(got), 0);

	is_mem(got, (size_t)n, "still here\r\n", 12, "to the half-closed peer");
	stream_free(&o.s);
	stream_free(&o.s);
	n = recv(far, got, sizeof(got), 0);
	is_int(n, 0, "closed");
	task_unlink(&o.task);
	close(far);
}

/* A pipelined burst, shutdown, everything in one go before the loop looks. */
static void test_burst(void)
{
	struct owner o;
	int far;

	owner_init(&o, NULL);
	o.s = stream_new(tcp_pair(&far), &o.task, 4096);
	put(far, "A\r\nB\r\nC\r\n");
	shutdown(far, SHUT_WR);
	task_wake(&o.task);
	run_ms(30);
	is_trace("(A\r) (B\r) (C\r) EOF ", "all before EOF");
	stream_free(&o.s);
	close(far);
}

static long cpu_us(void)
{
	struct rusage u;

	getrusage(RUSAGE_THREAD, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void test_vanished(void)
{
	struct owner o;
	struct loop_stats before, after;
	int far;
	long cpu;

	/* a peer resets while nobody reads */
	owner_init(&o, NULL);
	o.idle = true;
	o.s = stream_new(tcp_pair(&far), &o.task, 4096);
	run_ms(5);
	ok(!stream_gone(o.s), "there");
	reset_close(far);
	loop_stats(&before);
	cpu = cpu_us();
	run_ms(100);
	cpu = cpu_us() - cpu;
	loop_stats(&after);
	ok(stream_gone(o.s) && o.runs == 1, "a reset is seen and told once (%d)", o.runs);
	is_str(stream_why(o.s), "Connection reset by peer", "stream_why");
	ok(after.passes - before.passes < 10 && cpu < 50000, "no spinning: %d passes, %ld us", (int)(after.passes -
	    before.passes), cpu);
	stream_free(&o.s);

	/* data, then reset, before we look: both are seen */
	owner_init(&o, NULL);
	o.s = stream_new(tcp_pair(&far), &o.task, 4096);
	task_wake(&o.task);
	run_ms(5);
	put(far, "bye\n");
	reset_close(far);
	run_ms(50);
	is_trace("(bye) ERROR ", "data, then the reset");
	stream_free(&o.s);

	/* the same with a partial line, paused: hang-up is seen, nothing spins */
	owner_init(&o, NULL);
	o.idle = true;
	o.s = stream_new(tcp_pair(&far), &o.task, 4096);
	stream_pause(o.s, true);
	put(far, "some");
	run_ms(5);
	int runs = o.runs;

	close(far);
	loop_stats(&before);
	run_ms(50);
	loop_stats(&after);
	ok(o.runs == runs + 1 && after.passes - before.passes < 10, "closed while paused: one wake, no spinning");
	ok(!stream_gone(o.s), "unread: not gone yet");
	o.idle = false;
	stream_pause(o.s, false);
	run_ms(10);
	is_trace("EOF ", "end after the partial line");
	stream_free(&o.s);

	/* a plain close while idle is gone at once */
	owner_init(&o, NULL);
	o.idle = true;
	o.s = stream_new(tcp_pair(&far), &o.task, 4096);
	close(far);
	run_ms(20);
	ok(stream_gone(o.s) && o.runs == 1, "closed with nothing unread: gone");
	stream_puts(o.s, "x");
	run_ms(20);
	stream_puts(o.s, "y");
	run_ms(20);
	ok(stream_flush(o.s) == STREAM_ERROR && *stream_why(o.s) != '\0', "writing to it fails: %s", stream_why(o.s));
	stream_free(&o.s);
	task_unlink(&o.task);

	/* what came before a failed write can still be read */
	owner_init(&o, NULL);
	o.s = stream_new(tcp_pair(&far), &o.task, 4096);
	put(far, "421 go away\n");
	char got[10];

	(void)got;
	stream_puts(o.s, "EHLO\n");
	run_ms(5);
	close(far);		/* with unread input: a reset */
	usleep(1000);
	stream_puts(o.s, "EHLO\n");
	(void)stream_flush(o.s);
	task_wake(&o.task);
	run_ms(20);
	is_trace("(421 go away) ERROR ", "the peer's last words");
	stream_free(&o.s);
	task_unlink(&o.task);
}

static void test_deadline(void)
{
	struct owner o;
	struct slice r;
	int far;

	owner_init(&o, NULL);
	o.s = stream_new(tcp_pair(&far), &o.task, 4096);
	stream_deadline(o.s, 30);
	task_wake(&o.task);
	run_ms(1000);
	is_trace("TIMEOUT ", "deadline");
	ok(stream_peek(o.s, &r) == STREAM_TIMEOUT && stream_flush(o.s) == STREAM_TIMEOUT, "every poll");
	put(far, "late\n");
	stream_deadline(o.s, 1000);
	task_wake(&o.task);
	run_ms(20);
	is_trace("(late) ", "set anew");
	stream_free(&o.s);
	close(far);
}

/* ---- bulk ------------------------------------------------------------------------------- */

static size_t produced, released;
static const size_t bulk_bytes = 8 * 1024 * 1024;

static void ref_release(void *arg)
{
	released++;
	free(arg);
}

static void produce(struct owner *o)
{
	while (produced < bulk_bytes && stream_writable(o->s)) {
		size_t n = 1 + produced % 9973;
		char *part = xmalloc(n);

		n = MIN(n, bulk_bytes - produced);
		for (size_t i = 0; i < n; i++)
			part[i] = (char)((produced + i) % 251);
		if (produced % 3 == 0) {
			stream_write_ref(o->s, part, n, ref_release, part);
		} else {
			stream_write(o->s, part, n);
			free(part);
		}
		produced += n;
	}
	if (stream_queued(o->s) > 80 * 1024)
		buf_adds(&trace, "too much queued ");
	if (produced == bulk_bytes && stream_flush(o->s) == STREAM_OK)
		loop_stop();
}

struct sink {
	struct owner	 o;
	size_t		 got;
	bool		 wrong;
};

static void take(struct owner *o)
{
	struct sink *k = CONTAINER_OF(o, struct sink, o);
	struct slice r;

	while (stream_peek(o->s, &r) == STREAM_OK) {
		for (size_t i = 0; i < r.len; i++)
			k->wrong = k->wrong || r.p[i] != (char)((k->got + i) % 251);
		k->got += r.len;
		stream_consume(o->s, r.len);
	}
	if (k->got == bulk_bytes)
		loop_stop();
}

static void test_bulk(void)
{
	struct owner o;
	struct sink k = { 0 };
	int far;

	owner_init(&o, produce);
	owner_init(&k.o, take);
	o.s = stream_new(tcp_pair(&far), &o.task, 4096);
	ioctl(far, FIONBIO, &(int){ 1 });
	k.o.s = stream_new(far, &k.o.task, 16384);
	task_wake(&o.task);
	task_wake(&k.o.task);
	for (int i = 0; i < 100 && k.got < bulk_bytes; i++)
		run_ms(1000);
	ok(k.got == bulk_bytes && !k.wrong, "8 MiB arrive whole (%zu)", k.got);
	ok(released > 100, "borrowed blocks are released");
	is_trace("", "bounded queue");
	stream_free(&o.s);
	stream_free(&k.o.s);

	/* dropped output is released too */
	released = 0;
	o.s = stream_new(tcp_pair(&far), &o.task, 4096);
	void *one = xcalloc(1, 1);

	stream_write_ref(o.s, one, 1, ref_release, one);
	stream_write_ref(o.s, "", 0, ref_release, NULL);
	stream_free(&o.s);
	is_int((intmax_t)released, 2, "released when dropped");
	close(far);
	task_unlink(&o.task);
	task_unlink(&k.o.task);
}

static void test_peek_n(void)
{
	struct owner o;
	struct slice r;
	int far;

	owner_init(&o, NULL);
	o.idle = true;
	o.s = stream_new(tcp_pair(&far), &o.task, 100);
	put(far, "abc");
	ok(stream_peek_n(o.s, 5, &r) == STREAM_WAIT, "too few");
	run_ms(10);
	ok(o.runs == 1 && stream_peek_n(o.s, 5, &r) == STREAM_WAIT, "woken, still too few");
	put(far, "defg");
	run_ms(10);
	ok(o.runs == 2 && stream_peek_n(o.s, 5, &r) == STREAM_OK && r.len == 7, "enough");
	stream_consume(o.s, 5);
	shutdown(far, SHUT_WR);
	run_ms(10);
	ok(stream_peek_n(o.s, 5, &r) == STREAM_EOF && stream_peek(o.s, &r) == STREAM_OK && r.len == 2, "end with a rest");
	stream_free(&o.s);
	close(far);
}

/* ---- connecting, closing ---------------------------------------------------------------- */

static void connecting(struct owner *o)
{
	enum stream_result r = stream_connect_poll(o->s);

	if (r != STREAM_WAIT) {
		buf_addf(&trace, "%s %s", names[r], stream_why(o->s));
		loop_stop();
	}
}

static void test_connect(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, from = sin, peer;
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(sin);
	int l = socket(AF_INET, SOCK_STREAM, 0), fd;
	struct owner o;
	char got[10], name[64];

	if (bind(l, (struct sockaddr *)&sin, sizeof(sin)) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, (struct sockaddr *)&sin, &len) < 0)
		return;
	from.sin_addr.s_addr = htonl(0x7f000002);
	owner_init(&o, connecting);
	o.s = stream_connect((struct sockaddr *)&sin, sizeof(sin), (struct sockaddr *)&from, sizeof(from), &o.task, 100);
	stream_puts(o.s, "hello");
	task_wake(&o.task);
	run_ms(1000);
	is_trace("OK ", "connected");
	fd = accept(l, (struct sockaddr *)&peer, &len);
	run_ms(10);
	is_int(recv(fd, got, sizeof(got), 0), 5, "what was written before arrives");
	sockaddr_name((struct sockaddr *)&peer, name, sizeof(name));
	is_str(name, "127.0.0.2", "from the address asked for");
	ok(sockaddr_port((struct sockaddr *)&peer) > 0, "and some port");
	close(fd);
	stream_free(&o.s);
	close(l);

	o.s = stream_connect((struct sockaddr *)&sin, sizeof(sin), NULL, 0, &o.task, 100);
	task_wake(&o.task);
	run_ms(1000);
	is_trace("ERROR Connection refused", "refused");
	ok(stream_gone(o.s) && stream_flush(o.s) == STREAM_ERROR, "and so say all");
	stream_free(&o.s);

	str_copy(sun.sun_path, "/nonexistent/socket", sizeof(sun.sun_path));
	o.s = stream_connect((struct sockaddr *)&sun, sizeof(sun), NULL, 0, &o.task, 100);
	task_wake(&o.task);
	run_ms(1000);
	is_trace("ERROR No such file or directory", "an error at once shows at the poll");
	stream_free(&o.s);

	/* the backlog of a UNIX socket is full */
	snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/stream_core.%d", (int)getpid());
	unlink(sun.sun_path);
	l = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(l, (struct sockaddr *)&sun, sizeof(sun)) < 0 || listen(l, 0) < 0)
		return;
	int first = socket(AF_UNIX, SOCK_STREAM, 0);

	if (connect(first, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return;
	o.s = stream_connect((struct sockaddr *)&sun, sizeof(sun), NULL, 0, &o.task, 100);
	task_wake(&o.task);
	run_ms(50);
	is_trace("", "a full backlog: waits");
	close(accept(l, NULL, NULL));
	run_ms(1000);
	is_trace("OK ", "and gets in");
	stream_free(&o.s);
	o.s = stream_connect((struct sockaddr *)&sun, sizeof(sun), NULL, 0, &o.task, 100);
	stream_deadline(o.s, 30);
	task_wake(&o.task);
	run_ms(100);
	is_trace("TIMEOUT ", "or not before the deadline");
	stream_free(&o.s);
	close(first);
	close(l);
	unlink(sun.sun_path);
	task_unlink(&o.task);
}

static size_t read_all(int fd, char *p, size_t size)
{
	size_t n = 0;
	ssize_t r;

	while (n < size && (r = recv(fd, p + n, size - n, MSG_DONTWAIT)) > 0)
		n += (size_t)r;
	return n;
}

static void test_close_flush(void)
{
	struct owner o;
	int far, unread;
	char got[200];
	static char big[4 << 20];
	size_t n = 0;

	/* nothing unread: closed in the call */
	owner_init(&o, NULL);
	o.s = stream_new(tcp_pair(&far), &o.task, 100);
	stream_puts(o.s, "221 Bye\r\n");
	stream_close_flush(&o.s, 1000);
	ok(o.s == NULL, "taken over");
	is_int(recv(far, got, sizeof(got), 0), 9, "last words");
	is_int(recv(far, got, sizeof(got), 0), 0, "closed at once");
	close(far);

	/* unread input: no reset destroys the reply */
	o.s = stream_new(tcp_pair(&far), &o.task, 100);
	for (int i = 0; i < 10; i++)
		put(far, "garbage garbage garbage\r\n");
	stream_puts(o.s, "421 Too many errors\r\n");
	stream_close_flush(&o.s, 200);
	run_ms(20);
	put(far, "more\r\n");
	run_ms(20);
	is_int(recv(far, got, sizeof(got), 0), 21, "reply in spite of unread input");
	is_int(recv(far, got, sizeof(got), 0), 0, "orderly end");
	ok(send(far, "x", 1, MSG_NOSIGNAL) == 1, "it lingers");
	run_ms(300);
	usleep(1000);
	unread = (int)send(far, "x", 1, MSG_NOSIGNAL);
	usleep(1000);
	ok(unread < 0 || send(far, "x", 1, MSG_NOSIGNAL) < 0, "until its time is up");
	close(far);

	/* more than the kernel takes at once */
	o.s = stream_new(tcp_pair(&far), &o.task, 100);
	memset(big, 'b', sizeof(big));
	stream_write(o.s, big, sizeof(big));
	stream_close_flush(&o.s, 5000);
	for (int i = 0; i < 500 && n < sizeof(big); i++) {
		run_ms(2);
		n += read_all(far, big, sizeof(big));
	}
	is_int((intmax_t)n, sizeof(big), "all of it arrives");
	close(far);
	run_ms(20);
	task_unlink(&o.task);
}

/* Descriptor numbers are used again within a pass. */
static void test_reuse(void)
{
	struct owner o;
	int far, wrong = 0;

	for (int i = 0; i < 50; i++) {
		owner_init(&o, NULL);
		o.s = stream_new(tcp_pair(&far), &o.task, 100);
		if (i % 2 == 0)
			run_ms(1);
		stream_free(&o.s);
		close(far);
		o.s = stream_new(tcp_pair(&far), &o.task, 100);
		task_wake(&o.task);
		put(far, "hi\n");
		close(far);
		run_ms(100);
		if (strcmp(buf_str(&trace), "(hi) EOF ") != 0)
			wrong++;
		buf_reset(&trace);
		stream_free(&o.s);
		task_unlink(&o.task);
	}
	is_int(wrong, 0, "descriptors used again");
}

static void test_idle_memory(void)
{
	enum { N = 200 };
	static struct owner o[N];
	static int far[N];
	struct slice r;
	int waiting = 0;

	for (int i = 0; i < N; i++) {
		owner_init(&o[i], NULL);
		o[i].s = stream_new(tcp_pair(&far[i]), &o[i].task, 65536);
		task_wake(&o[i].task);
		put(far[i], "NOOP\r\n");
	}
	run_ms(50);
	buf_reset(&trace);
	for (int i = 0; i < N; i++) {
		waiting += stream_peek(o[i].s, &r) == STREAM_WAIT && stream_readable(o[i].s) == 0;
		stream_free(&o[i].s);
		close(far[i]);
		task_unlink(&o[i].task);
	}
	is_int(waiting, N, "idle sessions");
}

/* ---- the TLS seam, with a cipher of one byte -------------------------------------------- */

struct toy {
	int	 fd;
	int	 hello;			/* 0: to send, 1: to receive, 2: done */
	int	 reads;
	char	 held[64];		/* what a first write was told to wait for */
	size_t	 held_len;
	bool	 bad_repeat, stall;
	bool	 closed;
};

static enum stream_result toy_handshake(void *ctx, int *want_r)
{
	struct toy *t = ctx;
	char c;
	ssize_t n;

	if (t->hello == 0) {
		if (send(t->fd, "H", 1, MSG_NOSIGNAL) != 1)
			return STREAM_ERROR;
		t->hello = 1;
	}
	if (t->hello == 1) {
		n = recv(t->fd, &c, 1, 0);
		if (n < 0 && errno == EAGAIN) {
			*want_r = WATCH_READ;
			return STREAM_WAIT;
		}
		if (n == 0)
			return STREAM_EOF;
		if (n < 0 || c != 'H')
			return STREAM_ERROR;
		t->hello = 2;
	}
	return STREAM_OK;
}

static ssize_t toy_read(void *ctx, void *p, size_t n, int *want_r)
{
	struct toy *t = ctx;
	ssize_t got = recv(t->fd, p, MIN(n, (size_t)5), 0);

	t->reads++;
	if (got < 0 && errno == EAGAIN)
		*want_r = WATCH_READ;
	for (ssize_t i = 0; i < got; i++)
		((char *)p)[i] ^= 0x20;
	return got;
}

static ssize_t toy_write(void *ctx, const void *p, size_t n, int *want_r)
{
	struct toy *t = ctx;
	char coded[16384];

	if (t->held_len > 0 && (n < t->held_len || memcmp(t->held, p, t->held_len) != 0))
		t->bad_repeat = true;
	t->held_len = 0;
	if (t->stall) {			/* as in a renegotiation: writing waits for input */
		t->stall = false;
		t->held_len = MIN(n, sizeof(t->held));
		memcpy(t->held, p, t->held_len);
		*want_r = WATCH_READ;
		return -1;
	}
	for (size_t i = 0; i < n; i++)
		coded[i] = ((const char *)p)[i] ^ 0x20;
	return send(t->fd, coded, n, MSG_NOSIGNAL);
}

static void toy_close(void *ctx)
{
	((struct toy *)ctx)->closed = true;
}

static const char *toy_why(void *ctx)
{
	return ((struct toy *)ctx)->hello == 1 ? "no toy hello" : "";
}

static const struct stream_tls toy_tls = { "toy", toy_read, toy_write, toy_handshake, toy_close, toy_why };

static void shaking(struct owner *o)
{
	enum stream_result r = stream_starttls_poll(o->s);

	if (r == STREAM_WAIT)
		return;
	buf_addf(&trace, "%s ", names[r]);
	o->then = NULL;
	loop_stop();
}

static void test_tls(void)
{
	struct owner o;
	struct toy toy = { 0 };
	int far;
	char got[100];
	ssize_t n;

	owner_init(&o, NULL);
	o.s = stream_new(tcp_pair(&far), &o.task, 1000);
	put(far, "STARTTLS\r\nMAIL FROM:<injected>\r\n");
	run_ms(5);
	struct slice line;

	ok(stream_line(o.s, 100, &line) == STREAM_OK, "command");
	stream_puts(o.s, "220 Ready\r\n");
	ok(stream_flush(o.s) == STREAM_OK, "reply");
	toy.fd = stream_fd(o.s);
	stream_starttls(o.s, &toy_tls, &toy);
	is_int((intmax_t)stream_readable(o.s), 0, "what came before the handshake is dropped");
	o.then = shaking;
	task_wake(&o.task);
	run_ms(20);
	is_trace("", "handshake waits");
	stream_puts(o.s, "early");
	put(far, "H\x25\x28\x2c\x2f\x01\x42\x2d\x2a\x51\x2a");	/* coded: "\x05\x08\x0c\x0f!b\r\nq\n" */
	run_ms(20);
	is_trace("OK ", "handshake done");
	task_wake(&o.task);
	run_ms(20);
	is_trace("(\x05\x08\x0c\x0f!b\r) (q) ", "lines come decoded, in pieces");
	toy.stall = true;
	stream_puts(o.s, "|one");
	run_ms(5);
	stream_puts(o.s, "|two");
	run_ms(5);
	n = recv(far, got, sizeof(got), MSG_DONTWAIT);
	is_mem(got, (size_t)n, "220 Ready\r\nHEARLY", 17, "written during the handshake: sent after it");
	put(far, "\x2a");
	run_ms(20);
	n = recv(far, got, sizeof(got), MSG_DONTWAIT);
	is_mem(got, (size_t)MAX(n, 0), "\\ONE\\TWO", 8, "a write that waits for input");
	ok(!toy.bad_repeat, "is repeated with the same bytes");
	buf_reset(&trace);
	close(far);
	run_ms(20);
	is_trace("EOF ", "end");
	stream_free(&o.s);
	ok(toy.closed, "closed");

	toy = (struct toy){ 0 };
	owner_init(&o, shaking);
	o.s = stream_new(tcp_pair(&far), &o.task, 1000);
	toy.fd = stream_fd(o.s);
	stream_starttls(o.s, &toy_tls, &toy);
	put(far, "X");
	task_wake(&o.task);
	run_ms(20);
	is_trace("ERROR ", "a bad handshake");
	is_str(stream_why(o.s), "no toy hello", "says why");
	stream_free(&o.s);
	task_unlink(&o.task);
	close(far);
}

static void test_names(void)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(25) };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	char name[64];

	inet_pton(AF_INET6, "2001:db8::1", &in6.sin6_addr);
	sockaddr_name((struct sockaddr *)&in6, name, sizeof(name));
	is_str(name, "2001:db8::1", "IPv6");
	is_int(sockaddr_port((struct sockaddr *)&in6), 25, "port");
	inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr);
	sockaddr_name((struct sockaddr *)&in6, name, sizeof(name));
	is_str(name, "192.0.2.1", "mapped IPv4");
	sockaddr_name((struct sockaddr *)&sun, name, sizeof(name));
	is_str(name, "local", "UNIX");
}

int main(void)
{
	loop_init();
	task_init(&stop_task, "stop", stop_run);
	test_lines();
	test_burst();
	test_vanished();
	test_deadline();
	test_bulk();
	test_peek_n();
	test_connect();
	test_close_flush();
	test_reuse();
	test_idle_memory();
	test_tls();
	test_names();
	loop_release();
	buf_release(&trace);
	return done_testing();
}
