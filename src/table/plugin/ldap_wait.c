/* ldap_wait.c - a connection on which reading waits a moment, and not for ever.
 * While a server is silent in the TLS handshake libldap (2.5, GnuTLS) reads again and again without a pause or an end: each
 * thread that waits would keep a processor busy until the server closes. A layer between the socket and TLS waits for something
 * to read, READ_MS at a time; silence for as long as the network time limit is an error. Elsewhere libldap reads only
 * what is there. */
#include "ldap.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

enum { LEVEL = (LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2, READ_MS = 200 };

struct patience { int limit_ms, silent_ms; };

static int setup(Sockbuf_IO_Desc *io, void *limit)
{
	struct patience *p = xcalloc(1, sizeof(*p));

	p->limit_ms = *(int *)limit;
	io->sbiod_pvt = p;
	return 0;
}

static int release(Sockbuf_IO_Desc *io)
{
	free(io->sbiod_pvt);
	io->sbiod_pvt = NULL;
	return 0;
}

static int nothing(Sockbuf_IO_Desc *io UNUSED)
{
	return 0;
}

static int control(Sockbuf_IO_Desc *io, int option, void *arg)
{
	return LBER_SBIOD_CTRL_NEXT(io, option, arg);
}

static ber_slen_t wait_and_read(Sockbuf_IO_Desc *io, void *to, ber_len_t n)
{
	struct pollfd p = { .fd = -1, .events = POLLIN };
	struct patience *w = io->sbiod_pvt;

	if (ber_sockbuf_ctrl(io->sbiod_sb, LBER_SB_OPT_GET_FD, &p.fd) == 1 && p.fd >= 0 && poll(&p, 1, READ_MS) == 0) {
		w->silent_ms += READ_MS;
		if (w->silent_ms >= w->limit_ms) {
			errno = ETIMEDOUT;
			return -1;
		}
	} else {
		w->silent_ms = 0;
	}
	return LBER_SBIOD_READ_NEXT(io, to, n);
}

static ber_slen_t pass_on(Sockbuf_IO_Desc *io, void *from, ber_len_t n)
{
	return LBER_SBIOD_WRITE_NEXT(io, from, n);
}

static Sockbuf_IO layer = { .sbi_setup = setup, .sbi_remove = release, .sbi_ctrl = control, .sbi_read = wait_and_read,
	.sbi_write = pass_on, .sbi_close = nothing };

static int connected(LDAP *ld, Sockbuf *sb, LDAPURLDesc *url UNUSED, struct sockaddr *addr UNUSED,
    struct ldap_conncb *cb UNUSED)
{
	struct timeval *tv = NULL;
	int limit_ms = READ_MS;

	if (ldap_get_option(ld, LDAP_OPT_NETWORK_TIMEOUT, &tv) == LDAP_OPT_SUCCESS && tv != NULL)
		limit_ms = (int)(tv->tv_sec * 1000 + tv->tv_usec / 1000);
	ldap_memfree(tv);
	return ber_sockbuf_add_io(sb, &layer, LEVEL, &limit_ms);
}

static void gone(LDAP *ld UNUSED, Sockbuf *sb UNUSED, struct ldap_conncb *cb UNUSED)
{
}

void directory_wait_gently(LDAP *ld)
{
	static struct ldap_conncb cb = { .lc_add = connected, .lc_del = gone };

	ldap_set_option(ld, LDAP_OPT_CONNECT_CB, &cb);
}
