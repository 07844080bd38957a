/* room.h - what the files of src/dns share. */
#ifndef DNS_ROOM_H
#define DNS_ROOM_H
#include <stdio.h>
#include <stdlib.h>
#include <netinet/in.h>
#include <postrider/buf.h>
#include <postrider/dns.h>
#include <postrider/hash.h>
#include <postrider/loop.h>

enum {
	NAME_MAX_TEXT	= 1024,		/* printable form with escapes, and a NUL */
	NAME_MAX_HOST	= 255,
	RECORDS_MAX	= 1000,		/* kept of one answer; Postfix has a limit, too */
	SERVERS_MAX	= 8,
	SEARCH_MAX	= 8,
	CHASE_MAX	= 10,		/* queries for one CNAME chain, as Postfix */
	UDP_SIZE	= 1232,		/* EDNS buffer that does not fragment */
};

/* ---- names (name.c) ---------------------------------------------------------------------------- */
const char *dns_type_name(enum dns_type);
/* Wire form (uncompressed, n bytes) to text: lower case, no trailing dot, odd bytes escaped as \DDD. False
 * if malformed. */
bool	name_from_wire(char out[NAME_MAX_TEXT], const uint8_t *p, size_t n);
/* As a resource record may name a host: Postfix takes numeric ones with a warning. warn collects lines for the log. */
bool	name_in_record(const char *name, const char *where, enum dns_type, const char *asked, struct buf *warn);
bool	name_is_address(const char *name);
bool	name_can_be_asked(const char *name);	/* a host name, or a wildcard */

/* ---- packets (packet.c) ------------------------------------------------------------------------- */
struct reply {			/* what one packet says about one question */
	enum {
		REPLY_IGNORE,		/* not an answer to this question: go on waiting */
		REPLY_RECORDS,		/* records of the type */
		REPLY_CNAME,		/* canonical is another name, ask for that */
		REPLY_NODATA, REPLY_NXDOMAIN,
		REPLY_INVALID,		/* records, but none is fit for use */
		REPLY_TRUNCATED,
		REPLY_NO_EDNS,		/* ask again without */
		REPLY_TRY_NEXT,		/* SERVFAIL, REFUSED, unparsable: another server may do better */
		REPLY_FORMERR,
	} what;
	int		 rcode;
	bool		 ad, malformed;
	uint32_t	 ttl_s;		/* how long this holds; 0: do not keep */
	char		 canonical[NAME_MAX_TEXT];
};
/* The records found, before they become one block. Zeroed is empty; kept between uses. */
struct draft_rr {
	enum dns_type	 type;
	uint32_t	 ttl_s;
	unsigned	 pref, weight, port;
	size_t		 name, data, len;	/* places in bytes; name 0: none */
};
struct draft {
	struct draft_rr	*rr;
	size_t		 n, cap;
	struct buf	 bytes;
	struct buf	 warn;
};
void	draft_reset(struct draft *);
struct dns_answer *answer_new(const struct draft *, const char *canonical, const char *why, int rcode, bool secure);
struct dns_answer *answer_ref(const struct dns_answer *);
void	answer_unref(const struct dns_answer *);

/* A query in wire form appended to out; false if the name cannot be sent. */
bool	packet_query(struct buf *out, uint16_t id, const char *name, enum dns_type, bool edns, size_t *question_r);
/* question: the bytes of our question section, to compare. asked: for messages. */
void	packet_read(struct reply *, struct draft *, const uint8_t *p, size_t n, uint16_t id, const uint8_t *question,
	    size_t question_len, const char *name, enum dns_type, bool edns, const char *asked);

/* ---- configuration (resolvconf.c, hosts.c) ------------------------------------------------------- */
struct server {
	struct sockaddr_storage sa;
	socklen_t	 len;
	bool		 trusted;	/* its AD bit */
	int64_t		 down_until_ms;	/* did not answer: asked after the others until then */
};
struct resolver {		/* counted on the loop; servers' down marks are all that changes */
	unsigned	 refs;
	struct server	 server[SERVERS_MAX];
	size_t		 n;
	char		*search[SEARCH_MAX];
	size_t		 n_search;
	int		 ndots, timeout_s, attempts;
	bool		 rotate, use_tcp;
	size_t		 turn;		/* rotate: who is first */
};
/* text: resolv.conf; servers: our own parameter, may be NULL or "". */
struct resolver *resolver_parse(const char *text, const char *servers);
bool	resolver_same(const struct resolver *, const struct resolver *);	/* the same servers, trusted alike */
void	resolver_unref(struct resolver *);

struct host_entry {
	struct host_addr *addr;
	size_t		 n;
	char		*canonical;
};
struct hosts {
	struct hash	 by_name;	/* lower case -> struct host_entry */
	struct hash	 by_addr;	/* as inet_ntop prints -> first name, malloced */
};
struct hosts *hosts_parse(const char *text);
const struct host_entry *hosts_find(const struct hosts *, const char *name);
const char *hosts_name(const struct hosts *, const struct sockaddr *);
void	hosts_free(struct hosts *);

/* ---- state (dns.c) --------------------------------------------------------------------------------- */
struct dns_state {
	struct resolver	*resolver;
	struct hosts	*hosts;
	struct dns_stats stats;
	size_t		 cache_max;
	bool		 running;
};
extern struct dns_state dns;

/* ---- cache (cache.c) --------------------------------------------------------------------------------- */
enum { KEY_SIZE = NAME_MAX_HOST + 16 };
/* "15 example.com"; false: name too long for one. */
bool	cache_key(char key[KEY_SIZE], const char *name, enum dns_type);
/* A reference to the answer, or NULL. */
const struct dns_answer *cache_get(const char *key, enum dns_result *);
void	cache_put(const char *key, const struct dns_answer *, enum dns_result, uint32_t ttl_s);
void	cache_empty(void);

/* ---- questions under way (lookup.c, query.c) ----------------------------------------------------------- */
struct query;			/* one question to the servers, until one answers */
struct query *query_new(struct task *, const char *name, enum dns_type);	/* starts at once */
/* Looks, goes on; true: the reply is final; server NULL: nobody answered. */
bool	query_done(struct query *, struct reply **, struct draft **, const struct server **);
void	query_free(struct query *);
void	lookups_release(void);
#endif
