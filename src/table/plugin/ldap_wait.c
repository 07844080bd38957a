/* ldap_wait.c - a connection on which reading waits a moment.
 * While a server is silent in the TLS handshake libldap reads without a pause until its limit is over (2.5, GnuTLS): each thread that
 * waits would keep a processor busy. A layer between the socket and TLS waits for something to read, or for READ_MS. */
#include "ldap.h"
#include <poll.h>

enum { LEVEL = (LBER_SBIOD_LEVEL_PROVIDER + LBER_SBIOD_LEVEL_TRANSPORT) / 2, READ_MS = 200 };

static int nothing(Sockbuf_IO_Desc *io UNUSED)
{
	return 0;
}

static int setup(Sockbuf_IO_Desc *io UNUSED, void *arg UNUSED)
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

	if (ber_sockbuf_ctrl(io->sbiod_sb, LBER_SB_OPT_GET_FD, &p.fd) == 1 && p.fd >= 0)
		poll(&p, 1, READ_MS);
	return LBER_SBIOD_READ_NEXT(io, to, n);
}

static ber_slen_t pass_on(Sockbuf_IO_Desc *io, void *from, ber_len_t n)
{
	return LBER_SBIOD_WRITE_NEXT(io, from, n);
}

static Sockbuf_IO layer = { .sbi_setup = setup, .sbi_remove = nothing, .sbi_ctrl = control, .sbi_read = wait_and_read,
	.sbi_write = pass_on, .sbi_close = nothing };

static int connected(LDAP *ld UNUSED, Sockbuf *sb, LDAPURLDesc *url UNUSED, struct sockaddr *addr UNUSED,
    struct ldap_conncb *cb UNUSED)
{
	return ber_sockbuf_add_io(sb, &layer, LEVEL, NULL);
}

static void gone(LDAP *ld UNUSED, Sockbuf *sb UNUSED, struct ldap_conncb *cb UNUSED)
{
}

void directory_wait_gently(LDAP *ld)
{
	static struct ldap_conncb cb = { .lc_add = connected, .lc_del = gone };

	ldap_set_option(ld, LDAP_OPT_CONNECT_CB, &cb);
}
