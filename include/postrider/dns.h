/* dns.h - look up names without blocking.
 * Answers come from the cache or the network; the caller cannot tell which. A failed
 * lookup is an answer, not an error: nothing is logged here, the caller knows whether
 * it matters. Not here: the order of MX hosts, the policy on reverse names. */
#ifndef POSTRIDER_DNS_H
#define POSTRIDER_DNS_H
#include <postrider/base.h>
#include <sys/socket.h>

struct task;
struct dns_lookup;

enum dns_type { DNS_A = 1, DNS_NS = 2, DNS_CNAME = 5, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_SRV = 33, DNS_TLSA = 52 };
enum dns_result {
	DNS_WAIT = 0,			/* not yet: the task will be woken */
	DNS_OK,				/* at least one record */
	DNS_NODATA,			/* the name exists, no such type: a final answer */
	DNS_NXDOMAIN,			/* no such name, or not a host name at all: a final answer */
	DNS_FAILED,			/* timeout, SERVFAIL, bogus: may succeed later */
	DNS_INVALID,			/* final: records that are not host names (Postfix's DNS_INVAL), or with
					 * rcode != 0 "Non-recoverable error" (its DNS_FAIL) */
};
struct dns_rr {				/* one record of the asked type, immutable */
	struct dns_rr	*next;		/* in the order of the answer */
	enum dns_type	 type;
	uint32_t	 ttl_s;
	unsigned	 pref;		/* MX preference, SRV priority */
	unsigned	 weight, port;	/* SRV */
	char		*name;		/* MX, PTR, NS, CNAME, SRV target: lower case, no trailing dot ("" for the root) */
	uint8_t		*data;		/* A: 4, AAAA: 16 bytes; TXT: text; TLSA: usage, selector, matching type, digest */
	size_t		 len;
};
struct dns_answer {			/* shared, reference-counted, never changes */
	struct dns_rr	*rr;
	char		*canonical;	/* owner name at the end of the CNAME chain */
	bool		 secure;	/* AD bit from a resolver we trust (options trust-ad or loopback) */
	char		*why;		/* on failure: Postfix's phrase, "Host or domain name not found. Name service error for name=x type=MX: Host not found" */
	char		*warnings;	/* lines Postfix logs about odd records, each with a newline; NULL mostly */
	int		 rcode;
	unsigned	 refs;
};
struct log_ctx;
void	dns_log_warnings(const struct dns_answer *, const struct log_ctx *);	/* for whom it matters; NULL answer is fine */
struct dns_op {				/* one question, embedded in its owner; zeroed = idle */
	const struct dns_answer *answer;	/* valid on every final result, ours until dns_end() */
	/* private to src/dns: */
	enum dns_result	 result;
	struct dns_lookup *lookup;	/* shared with all who ask the same; NULL: not waiting */
	struct task	*task;
	LIST_ENTRY(dns_op) link;
};
void	dns_start(struct dns_op *, struct task *, const char *name, enum dns_type);	/* copies name */
enum dns_result dns_poll(struct dns_op *);	/* cheap; the same answer until dns_end() */
void	dns_end(struct dns_op *);		/* any time, any number of times */

/* Host look-up: /etc/hosts first where asked for, then A and AAAA side by side. */
enum {
	HOST_V4 = 1, HOST_V6 = 2,
	HOST_FILE = 4,			/* use /etc/hosts */
	HOST_DNS = 16,			/* ask the name servers */
	HOST_DEFNAMES = 8,		/* a name without a dot is looked for in the search list, of which ... */
	HOST_DNSRCH = 32,		/* ... all is tried, not only the first; names with dots, too */
	HOST_SEARCH = HOST_DEFNAMES | HOST_DNSRCH,	/* as the system's resolver does */
};
struct host_addr {
	struct sockaddr_storage sa;	/* port 0 */
	socklen_t	 len;
};
struct host_op {			/* embedded; zeroed = idle */
	struct host_addr *addr;		/* on DNS_OK: n of them, ours until host_end(); v4 before v6 */
	size_t		 n;
	bool		 secure;	/* both answers were */
	const char	*why;		/* on failure, as dns_answer.why */
	char		*canonical;	/* on DNS_OK */
	/* On DNS_OK from the name servers: the answers that the addresses were taken from, in that order. */
	struct dns_op	 a, aaaa;
	/* private: */
	enum dns_result	 result;
	struct task	*task;
	int		 flags;
	char		*name;
	size_t		 search_pos;
	bool		 exists;	/* a candidate without addresses was met: "no data" in the end, not "no such name" ... */
	bool		 itself_first;	/* asked for before the search list */
	bool		 absent;	/* ... unless the name itself was asked for first, and is not there */
	bool		 active;
};
void	host_start(struct host_op *, struct task *, const char *name, int flags);	/* IP literals answer at once */
enum dns_result host_poll(struct host_op *);
void	host_end(struct host_op *);

/* PTR of an address: /etc/hosts, then DNS; the first name. */
void	dns_ptr_name(char out[80], const struct sockaddr *);	/* "1.2.0.192.in-addr.arpa" */
/* Name for an address from /etc/hosts, NULL if none. Borrowed until the next loop pass. */
const char *dns_hosts_ptr(const struct sockaddr *);

/* Server setup. Follows changes of both files within seconds. NULL: the system's paths.
 * servers: "host:port[, host:port]" (postrider_dns_servers) overrides resolv.conf; may be NULL. */
struct dns_config {
	const char	*resolv_conf;	/* default /etc/resolv.conf */
	const char	*hosts;		/* default /etc/hosts */
	const char	*servers;	/* literal addresses with optional port; NULL or "": from resolv.conf */
	size_t		 cache_max;	/* records kept; 0: default 20,000 */
};
void	dns_init(const struct dns_config *);
void	dns_configure(const struct dns_config *);	/* reload; the cache is emptied when servers changed */
void	dns_release(void);

/* A host name as RFC 1123 and Postfix's valid_hostname() want it; why_r (may be NULL) gets a static phrase. */
bool	dns_valid_hostname(const char *name, const char **why_r);
struct dns_stats { uint64_t queries, cache_hits, timeouts, tcp, discarded; };
void	dns_stats(struct dns_stats *);
#endif
