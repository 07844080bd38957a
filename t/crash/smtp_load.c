/* smtp_load.c - clients that lose nothing: numbered messages, each sent until it is acknowledged.
 *
 *	smtp_load [-j sessions] [-n messages] [-f first] [-k per connection] [-g] PORT
 *
 * A message whose connection ends before the answer to its end of data is in doubt and is sent again under its number, as a real client
 * would do; that is noted ("R n"), for it may now arrive twice. What is refused with 4xx is tried again after a while, with -g given
 * up. SIGTERM: no new messages; those under way are brought to an end. Last line of output: the account, and how often each
 * reply code other than 2xx and 3xx was seen. Notes: mail.h. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

#include "mail.h"

enum { SESSIONS_MAX = 1000, LINE_MAX_ = 2048, AGAIN_MS = 20, LAST_MS = 30000, CODES = 600 };
enum state { ST_DOWN, ST_CONNECTING, ST_GREETING, ST_EHLO, ST_ENVELOPE, ST_BODY, ST_DOT, ST_DONE };

struct session {
	enum state	 state;
	int		 fd;
	int64_t		 wait_until;	/* DOWN: not earlier */
	uint64_t	 n;		/* message under way, 0: none */
	bool		 begun;		/* it was noted */
	bool		 doubt;		/* its end was sent, and no answer came */
	unsigned	 sent_here;	/* messages over this connection */
	unsigned	 want, bad;	/* ENVELOPE: replies to come; code of the first refusal */
	char		*out;		/* what is to be sent */
	size_t		 out_len, out_at, out_cap;
	char		 in[LINE_MAX_];
	size_t		 in_len;
};
static struct {
	struct session	 s[SESSIONS_MAX];
	unsigned	 sessions, per_connection, port;
	uint64_t	 next, end;
	uint64_t	 accepted, refused, again, lost, gave_up;
	uint64_t	 code[CODES];
	bool		 give_up;
} load = { .sessions = 20, .per_connection = 100, .next = 1 };
static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static uint32_t rcpts_of(uint64_t n)
{
	return n % 5 == 1 ? 2 + (uint32_t)(crash_mix(n ^ 7) % 4) : 1;
}

/* ---- output ------------------------------------------------------------------------------------------- */

static char *room(struct session *s, size_t n)
{
	if (s->out_len + n > s->out_cap) {
		s->out_cap = 2 * (s->out_len + n);
		if ((s->out = realloc(s->out, s->out_cap)) == NULL)
			abort();
	}
	return s->out + s->out_len;
}

__attribute__((format(printf, 2, 3)))
static void say(struct session *s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	s->out_len += (size_t)vsnprintf(room(s, 256), 256, fmt, ap);
	va_end(ap);
}

static void say_message(struct session *s)
{
	size_t body = (size_t)crash_lines(s->n) * CRASH_LINE;

	s->out_len += crash_header(room(s, CRASH_HEADER_MAX), s->n);
	say(s, "\r\n");
	s->out_len += crash_body(room(s, body + 1), s->n, 0, body);
	say(s, ".\r\n");
}

/* ---- a session ------------------------------------------------------------------------------------------ */

static void down(struct session *s, int64_t rest_ms)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->state = ST_DOWN;
	s->wait_until = now_ms() + rest_ms;
	s->out_len = s->out_at = s->in_len = 0;
	s->sent_here = 0;
}

static void lost(struct session *s)
{
	if (s->n != 0 && s->state == ST_DOT)
		s->doubt = true;
	load.lost += s->n != 0;
	down(s, 5);
}

static void dial(struct session *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)load.port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int one = 1;

	if ((s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) < 0)
		abort();
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	s->state = ST_CONNECTING;
	if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
		down(s, 10);
}

static void begin(struct session *s)
{
	uint32_t i;

	if (s->n == 0 && !stop && load.next < load.end) {
		s->n = load.next++;
		s->begun = s->doubt = false;
	}
	if (s->n == 0) {
		say(s, "QUIT\r\n");
		s->state = ST_DONE;
		return;
	}
	if (!s->begun)
		crash_note("B %llu %u", (unsigned long long)s->n, rcpts_of(s->n));
	if (s->doubt) {
		crash_note("R %llu", (unsigned long long)s->n);
		load.again++;
	}
	s->begun = true;
	s->doubt = false;
	s->state = ST_ENVELOPE;
	s->want = 2 + rcpts_of(s->n);
	s->bad = 0;
	say(s, "MAIL FROM:<sender@example.net>\r\n");
	for (i = 0; i + 2 < s->want; i++)
		say(s, "RCPT TO:<u%u@d%u.example.org>\r\n", i, (unsigned)(crash_mix(s->n ^ 3) % 30));
	say(s, "DATA\r\n");
}

static void refused(struct session *s, unsigned code)
{
	load.refused++;
	if (load.give_up || code >= 500) {
		load.gave_up++;
		s->n = 0;
	}
	down(s, AGAIN_MS);
}

static void answered(struct session *s, unsigned code)
{
	if (code >= 400 && code < CODES)
		load.code[code]++;
	switch (s->state) {
	case ST_GREETING:
		if (code != 220) {
			down(s, AGAIN_MS);
			return;
		}
		say(s, "EHLO client.example.net\r\n");
		s->state = ST_EHLO;
		return;
	case ST_EHLO:
		if (code != 250)
			down(s, AGAIN_MS);
		else
			begin(s);
		return;
	case ST_ENVELOPE:
		if (code >= 400 && s->bad == 0)
			s->bad = code;
		if (--s->want > 0)
			return;
		if (s->bad != 0) {
			refused(s, s->bad);
			return;
		}
		say_message(s);
		s->state = ST_BODY;		/* until it is out */
		return;
	case ST_BODY:				/* the answer before the end: a refusal of this size, or of us */
	case ST_DOT:
		if (code != 250) {
			refused(s, code);
			return;
		}
		crash_note("P %llu", (unsigned long long)s->n);
		load.accepted++;
		s->n = 0;
		if (++s->sent_here >= load.per_connection) {
			say(s, "QUIT\r\n");
			s->state = ST_DONE;
		} else {
			begin(s);
		}
		return;
	case ST_DONE:
		down(s, 0);
		return;
	default:
		return;
	}
}

static void input(struct session *s)
{
	ssize_t n = read(s->fd, s->in + s->in_len, sizeof(s->in) - s->in_len);
	char *end, *p = s->in;
	size_t line;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		lost(s);
		return;
	}
	s->in_len += (size_t)n;
	while (s->fd >= 0 && (end = memchr(p, '\n', (size_t)(s->in + s->in_len - p))) != NULL) {
		line = (size_t)(end + 1 - p);
		if (line >= 4 && p[3] != '-')
			answered(s, (unsigned)strtoul(p, NULL, 10));
		p += line;
	}
	if (s->fd < 0)
		return;
	s->in_len = (size_t)(s->in + s->in_len - p);
	memmove(s->in, p, s->in_len);
	if (s->in_len == sizeof(s->in))
		lost(s);
}

static void output(struct session *s)
{
	ssize_t n;

	while (s->out_at < s->out_len) {
		n = send(s->fd, s->out + s->out_at, s->out_len - s->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0) {
			lost(s);
			return;
		}
		s->out_at += (size_t)n;
		if (s->state == ST_BODY && s->out_at == s->out_len)
			s->state = ST_DOT;
	}
	s->out_at = s->out_len = 0;
}

static bool idle(void)
{
	unsigned i;

	for (i = 0; i < load.sessions; i++)
		if (load.s[i].n != 0 || load.s[i].state != ST_DOWN)
			return false;
	return stop || load.next >= load.end;
}

static void run(void)
{
	struct pollfd p[SESSIONS_MAX];
	int64_t stopped = 0;
	struct session *s;
	unsigned i;

	while (!idle()) {
		if (stop && stopped == 0)
			stopped = now_ms();
		if (stopped != 0 && now_ms() - stopped > LAST_MS)
			break;
		for (i = 0; i < load.sessions; i++) {
			s = &load.s[i];
			if (s->state == ST_DOWN && now_ms() >= s->wait_until && (s->n != 0 || (!stop && load.next < load.end)))
				dial(s);
			p[i] = (struct pollfd){ .fd = s->fd, .events = POLLIN };
			if (s->state == ST_CONNECTING || s->out_at < s->out_len)
				p[i].events |= POLLOUT;
		}
		if (poll(p, load.sessions, 5) < 0 && errno != EINTR)
			abort();
		for (i = 0; i < load.sessions; i++) {
			s = &load.s[i];
			if (s->state == ST_CONNECTING && p[i].revents != 0)
				s->state = ST_GREETING;
			if (s->fd >= 0 && (p[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0)
				input(s);
			if (s->fd >= 0 && s->out_at < s->out_len)
				output(s);
		}
	}
}

int main(int argc, char **argv)
{
	unsigned i;
	int opt;

	load.end = UINT64_MAX;
	while ((opt = getopt(argc, argv, "j:n:f:k:g")) != -1) {
		switch (opt) {
		case 'j': load.sessions = (unsigned)atoi(optarg); break;
		case 'n': load.end = strtoull(optarg, NULL, 10); break;
		case 'f': load.next = strtoull(optarg, NULL, 10); break;
		case 'k': load.per_connection = (unsigned)atoi(optarg); break;
		case 'g': load.give_up = true; break;
		default: return 2;
		}
	}
	if (optind + 1 != argc || load.sessions == 0 || load.sessions > SESSIONS_MAX)
		return 2;
	load.port = (unsigned)atoi(argv[optind]);
	if (load.end != UINT64_MAX)
		load.end += load.next;
	signal(SIGTERM, on_term);
	for (i = 0; i < load.sessions; i++)
		load.s[i].fd = -1;
	run();
	printf("accepted %llu refused %llu gave_up %llu lost %llu again %llu next %llu", (unsigned long long)load.accepted,
	    (unsigned long long)load.refused, (unsigned long long)load.gave_up, (unsigned long long)load.lost,
	    (unsigned long long)load.again, (unsigned long long)load.next);
	for (i = 0; i < CODES; i++)
		if (load.code[i] != 0)
			printf(" %u:%llu", i, (unsigned long long)load.code[i]);
	printf("\n");
	return 0;
}
