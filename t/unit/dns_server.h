/* dns_server.h - a name server that misbehaves by name, for the tests of src/dns.
 * Runs in a thread on a loopback port, UDP and TCP. The first label of the question says what to do;
 * counters tell how often it was asked. */
#ifndef DNS_SERVER_H
#define DNS_SERVER_H
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct fake {
	int		 udp, tcp, other;	/* other: a socket of another port, for answers from the wrong source */
	int		 port;
	pthread_t	 thread;
	atomic_int	 asked, asked_tcp;
	atomic_bool	 stop, mute;
	atomic_int	 version;		/* what "version.test" answers */
};

struct msg {
	uint8_t	 p[65535];
	size_t	 n;
};

static inline void m_bytes(struct msg *m, const void *p, size_t n)
{
	memcpy(m->p + m->n, p, n);
	m->n += n;
}

static inline void m_16(struct msg *m, unsigned v)
{
	uint8_t b[2] = { (uint8_t)(v >> 8), (uint8_t)v };

	m_bytes(m, b, 2);
}

static inline size_t m_name_raw(uint8_t *out, const char *name)
{
	size_t o = 0;

	while (*name != '\0') {
		size_t n = strcspn(name, ".");

		out[o++] = (uint8_t)n;
		memcpy(out + o, name, n);
		o += n;
		name += n + (name[n] == '.');
	}
	out[o++] = 0;
	return o;
}

static inline void m_name(struct msg *m, const char *name)
{
	m->n += m_name_raw(m->p + m->n, name);
}

static inline void m_rr(struct msg *m, int section, const char *owner, int type, unsigned ttl, const void *data,
    size_t n)
{
	int at = 4 + section * 2;

	m_name(m, owner);
	m_16(m, (unsigned)type);
	m_16(m, 1);
	m_16(m, ttl >> 16);
	m_16(m, ttl & 0xffff);
	m_16(m, (unsigned)n);
	m_bytes(m, data, n);
	m->p[at + 1]++;
	if (m->p[at + 1] == 0)
		m->p[at]++;
}

static inline void m_a(struct msg *m, const char *owner, unsigned ttl, const char *addr)
{
	uint8_t a[4];

	inet_pton(AF_INET, addr, a);
	m_rr(m, 1, owner, 1, ttl, a, 4);
}

static inline void m_named(struct msg *m, int section, const char *owner, int type, unsigned ttl, const char *target,
    int pref)
{
	uint8_t data[300];
	size_t n = 0;

	if (type == 15) {
		data[n++] = (uint8_t)(pref >> 8);
		data[n++] = (uint8_t)pref;
	}
	n += m_name_raw(data + n, target);
	m_rr(m, section, owner, type, ttl, data, n);
}

static inline void m_soa(struct msg *m, unsigned ttl, unsigned minimum)
{
	uint8_t data[300], tail[20] = { 0 };
	size_t n = m_name_raw(data, "ns.test");

	n += m_name_raw(data + n, "root.test");
	tail[16] = (uint8_t)(minimum >> 24);
	tail[17] = (uint8_t)(minimum >> 16);
	tail[18] = (uint8_t)(minimum >> 8);
	tail[19] = (uint8_t)minimum;
	memcpy(data + n, tail, 20);
	m_rr(m, 2, "test", 6, ttl, data, n + 20);
}

/* Reads the question: its name as text, its type, the place behind it. */
static inline size_t q_read(const uint8_t *q, size_t n, char name[256], int *type)
{
	size_t i = 12, o = 0;

	while (i < n && q[i] != 0) {
		if (o > 0)
			name[o++] = '.';
		memcpy(name + o, q + i + 1, q[i]);
		o += q[i];
		i += (size_t)q[i] + 1;
	}
	name[o] = '\0';
	*type = q[i + 1] << 8 | q[i + 2];
	return i + 5;
}

static inline bool is(const char *name, const char *first)
{
	return strncmp(name, first, strlen(first)) == 0 && name[strlen(first)] == '.';
}

static inline void answer_mx(struct msg *m, const char *name)
{
	if (is(name, "badmx")) {
		m_named(m, 1, name, 15, 300, "-bad-.test", 10);
	} else if (is(name, "mixmx")) {
		m_named(m, 1, name, 15, 300, "a b.test", 10);
		m_named(m, 1, name, 15, 300, "Good.Test", 20);
		m_named(m, 1, name, 15, 300, "192.0.2.1", 30);
	} else if (is(name, "nullmx")) {
		m_named(m, 1, name, 15, 300, "", 0);
	} else if (is(name, "aliasmx")) {
		m_named(m, 1, name, 5, 300, "target.test", 0);
	} else {
		m_named(m, 1, name, 15, 300, "mx2.test", 20);
		m_named(m, 1, name, 15, 100, "mx1.test", 10);
	}
}

static inline void answer_a(struct fake *f, struct msg *m, const char *name, bool tcp)
{
	char text[32];

	if (is(name, "version")) {
		snprintf(text, sizeof(text), "192.0.2.%d", f->version);
		m_a(m, name, 2, text);
	} else if (is(name, "chain")) {
		m_named(m, 1, name, 5, 300, "middle.test", 0);
		m_a(m, "end.test", 200, "192.0.2.7");
		m_named(m, 1, "middle.test", 5, 300, "END.test", 0);
	} else if (is(name, "hop1")) {
		m_named(m, 1, name, 5, 300, "hop2.test", 0);
	} else if (is(name, "hop2")) {
		m_named(m, 1, name, 5, 300, "hop3.test", 0);
	} else if (is(name, "loopa")) {
		m_named(m, 1, name, 5, 300, "loopb.test", 0);
	} else if (is(name, "loopb")) {
		m_named(m, 1, name, 5, 300, "loopa.test", 0);
	} else if (is(name, "many")) {
		for (int i = 0; i < 2000; i++) {
			snprintf(text, sizeof(text), "10.0.%d.%d", i / 256, i % 256);
			m_a(m, name, 300, text);
		}
	} else if (is(name, "big") && tcp) {
		for (int i = 0; i < 60; i++) {
			snprintf(text, sizeof(text), "10.0.0.%d", i);
			m_a(m, name, 300, text);
		}
	} else if (is(name, "stranger")) {
		m_a(m, "elsewhere.test", 300, "192.0.2.66");
		m_a(m, name, 300, "192.0.2.1");
	} else if (is(name, "ad")) {
		m->p[3] |= 0x20;
		m_a(m, name, 300, "192.0.2.1");
	} else if (is(name, "short")) {
		m_rr(m, 1, name, 1, 300, "abc", 3);
	} else {
		m_a(m, name, 300, "192.0.2.1");
	}
}

/* The answer to q; n 0: none. */
static inline void fake_answer(struct fake *f, struct msg *m, const uint8_t *q, size_t qn, bool tcp)
{
	char name[256];
	int type;
	size_t end = q_read(q, qn, name, &type);

	m->n = 0;
	m_bytes(m, q, end);
	memset(m->p + 6, 0, 6);
	m->p[2] = 0x81;
	m->p[3] = 0x80;
	if (is(name, "mute") || f->mute)
		m->n = 0;
	else if (is(name, "servfail"))
		m->p[3] |= 2;
	else if (is(name, "refused"))
		m->p[3] |= 5;
	else if (is(name, "formerr"))
		m->p[3] |= 1;
	else if (is(name, "noedns") && q[11] != 0)
		m->p[3] |= 1;
	else if (is(name, "nx")) {
		m->p[3] |= 3;
		m_soa(m, 100, 60);
	} else if (is(name, "nodata")) {
		m_soa(m, 100, 60);
	} else if (is(name, "hop3")) {
		m->p[3] |= 3;
		m_soa(m, 100, 60);
	} else if (is(name, "garbage")) {
		m_bytes(m, "\xff\xff\xff\xff", 4);
		m->p[7] = 9;
	} else if (is(name, "big") && !tcp)
		m->p[2] |= 2;
	else if (type == 15)
		answer_mx(m, name);
	else if (type == 1)
		answer_a(f, m, name, tcp);
	else if (type == 28 && is(name, "both"))
		m_rr(m, 1, name, 28, 300, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	else if (type == 12)
		m_named(m, 1, name, 12, 300, "Host.Example.TEST", 0);
	else if (type == 16)
		m_rr(m, 1, name, 16, 300, "\5hello\6 w\1rld", 13);
	else if (type == 52)
		m_rr(m, 1, name, 52, 300, "\3\1\1abcd", 7);
	else
		m_soa(m, 100, 60);
}

static inline void fake_udp(struct fake *f)
{
	static struct msg m;
	uint8_t q[1500];
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	char name[256];
	int type;
	ssize_t n = recvfrom(f->udp, q, sizeof(q), 0, (struct sockaddr *)&from, &len);

	if (n < 12)
		return;
	f->asked++;
	q_read(q, (size_t)n, name, &type);
	fake_answer(f, &m, q, (size_t)n, false);
	if (m.n == 0)
		return;
	if (is(name, "wrongid") || is(name, "forged")) {	/* junk first, then the truth */
		m.p[0] ^= 1;
		sendto(f->udp, m.p, m.n, 0, (struct sockaddr *)&from, len);
		m.p[0] ^= 1;
		m.p[13] ^= 1;
		sendto(f->udp, m.p, m.n, 0, (struct sockaddr *)&from, len);
		m.p[13] ^= 1;
		sendto(f->other, m.p, m.n, 0, (struct sockaddr *)&from, len);
		sendto(f->udp, m.p, 5, 0, (struct sockaddr *)&from, len);
		if (is(name, "forged"))
			return;
	}
	if (is(name, "late"))
		usleep(300000);
	sendto(f->udp, m.p, m.n > 60000 ? 60000 : m.n, 0, (struct sockaddr *)&from, len);
}

static inline void fake_tcp(struct fake *f)
{
	static struct msg m;
	uint8_t q[1500], len[2];
	int fd = accept(f->tcp, NULL, NULL);
	ssize_t n = 0;

	f->asked_tcp++;
	while (n < 2 || n < 2 + (q[0] << 8 | q[1])) {
		ssize_t got = read(fd, q + n, sizeof(q) - (size_t)n);

		if (got <= 0)
			break;
		n += got;
	}
	if (n > 14) {
		fake_answer(f, &m, q + 2, (size_t)n - 2, true);
		len[0] = (uint8_t)(m.n >> 8);
		len[1] = (uint8_t)m.n;
		if (write(fd, len, 1) == 1 && write(fd, len + 1, 1) == 1 && write(fd, m.p, m.n / 2) > 0) {
			usleep(20000);
			if (write(fd, m.p + m.n / 2, m.n - m.n / 2) < 0)
				perror("write");
		}
	}
	close(fd);
}

static inline void *fake_run(void *arg)
{
	struct fake *f = arg;

	while (!f->stop) {
		struct pollfd p[2] = { { f->udp, POLLIN, 0 }, { f->tcp, POLLIN, 0 } };

		if (poll(p, 2, 50) <= 0)
			continue;
		if (p[0].revents != 0)
			fake_udp(f);
		if (p[1].revents != 0)
			fake_tcp(f);
	}
	return NULL;
}

static inline int fake_bind(int type, int *port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)*port) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, type, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(fd, (struct sockaddr *)&sin, len) < 0) {
		close(fd);
		return -1;
	}
	getsockname(fd, (struct sockaddr *)&sin, &len);
	*port = ntohs(sin.sin_port);
	return fd;
}

static inline void fake_start(struct fake *f)
{
	int other = 0;

	memset(f, 0, sizeof(*f));
	for (int i = 0; i < 50; i++) {
		f->port = 0;
		f->udp = fake_bind(SOCK_DGRAM, &f->port);
		f->tcp = fake_bind(SOCK_STREAM, &f->port);
		if (f->tcp >= 0)
			break;
		close(f->udp);
	}
	listen(f->tcp, 10);
	f->other = fake_bind(SOCK_DGRAM, &other);
	f->version = 1;
	pthread_create(&f->thread, NULL, fake_run, f);
}

static inline void fake_stop(struct fake *f)
{
	f->stop = true;
	pthread_join(f->thread, NULL);
	close(f->udp);
	close(f->tcp);
	close(f->other);
}
#endif
