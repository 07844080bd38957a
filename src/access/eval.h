/* eval.h - private to src/access: compiled lists and the machine that runs them. */
#ifndef ACCESS_EVAL_H
#define ACCESS_EVAL_H
#include <postrider/access.h>
#include <postrider/arena.h>
#include <postrider/dns.h>
#include <postrider/hash.h>
#include <postrider/loop.h>
#include <postrider/rewrite.h>
#include <postrider/table.h>

struct access_run;
struct check;

/* What a check says. REJECT: the reply is in run->reply and logged. NESTED: the check pushed a list whose verdict becomes its own. */
enum verdict { V_WAIT = 0, V_DUNNO, V_OK, V_REJECT, V_HANGUP, V_NESTED };

struct step {
	const struct check *check;
	const char	*name;		/* as the check is called */
	const char	*arg;		/* NULL: none */
	const char	*next;		/* the word that follows, NULL: last; for "is ignored" warnings */
	union {
		const struct maps *maps;	/* ARG_MAP */
		const struct list *list;	/* a restriction class */
		int	 number;
	};
};
struct list {
	struct arena	 arena;		/* steps and strings */
	struct step	*step;
	size_t		 n;
};
enum arg_kind { ARG_NONE, ARG_MAP, ARG_DOMAIN, ARG_NUMBER, ARG_SERVICE };
struct check {
	const char	*name;
	enum arg_kind	 arg;
	/* Called until it says something else than WAIT; run->work is zeroed before the first time and
	 * everything begun in it is ended after the last. */
	enum verdict	(*judge)(struct access_run *, const struct step *);
	int		 variant;	/* for checks that share a function */
	/* Sees the verdict of judge or of the list it pushed; NULL: it stands. */
	enum verdict	(*after)(struct access_run *, const struct step *, enum verdict);
};
const struct check *check_find(const char *name);
/* A restriction class; a bare type:name; a word that fails when reached. */
extern const struct check check_class, check_default, check_bad;

enum stage { STAGE_CLIENT, STAGE_HELO, STAGE_SENDER, STAGE_RELAY, STAGE_RECIPIENT, STAGE_DATA, STAGE_EOD, STAGE_ETRN, STAGES };

struct access_lists {
	const struct view *view;
	const struct generation *generation;
	struct list	*list[STAGES];
	struct hash	 classes;	/* name -> struct list */
	struct match_list *mynetworks, *relay_domains, *permit_mx_networks, *log_permit;
	struct maps	*local_rcpt, *canonical, *rcpt_canonical, *send_canonical, *virtual_alias, *virtual_mailbox, *relay_rcpt;
	struct maps	*rbl_reply, *sender_login;
	struct strs	 rewrite_words;	/* local_header_rewrite_clients */
	struct maps	**rewrite_maps;	/* beside them: NULL or the table */
	bool		 parent_style;	/* smtpd_access_maps in parent_domain_matches_subdomains */
	bool		 delay_reject, relay_first, unlisted_rcpt, unlisted_sender, soft_bounce, untrusted_routing;
};
/* Words to steps. tables NULL: at run time, a result of a map: names of tables are refused there. */
struct list *list_parse(struct access_lists *, const char *text, struct tables *, struct problems *);
void	list_free(struct list **);

/* One frame of the stack: a list and how far it got. */
struct frame {
	const struct list *list;
	struct list	*owned;		/* freed with the frame: a list that a map gave */
	size_t		 pc;
	bool		 entered;	/* the step at pc has begun */
	bool		 suspicious;	/* OK of the step at pc does not count (source-routed recipient) */
	const char	*outer_name, *outer_class;	/* before this list: a map's speaks of what the map was asked */
};
enum { FRAMES_MAX = 100 };

/* Look-ups of the step under way. */
enum { WORK_RESOLVE = 1, WORK_MAPS = 2, WORK_MATCH = 4, WORK_DNS = 8, WORK_HOST = 16, WORK_TIMER = 32 };
struct work {
	unsigned	 used;		/* WORK_*: to be ended */
	int		 phase;		/* the check's own */
	size_t		 pos, sub, server;
	bool		 soft;		/* some look-up may succeed later */
	struct buf	 key, text;
	const char	*cursor;
	struct resolve_op resolve;
	struct maps_op	 maps;
	struct match_op	 match;
	struct dns_op	 dns;
	struct host_op	 host;
	struct timer	 timer;
};

struct access_run {
	struct task	*task;
	const struct access_lists *lists;
	const struct access_facts *facts;
	struct access_memory *memory;
	struct access_actions *actions;
	struct access_op *op;
	const char	*recipient;	/* facts->recipient, or NULL where a list is not about one */
	/* The request: phases still to come. */
	const unsigned char *phase;
	bool		 phase_entered;
	/* The stage under way. */
	const char	*reply_name, *reply_class;
	const char	*default_acl;
	struct access_defer defer_if_reject;
	unsigned	 warn_level;	/* depth at which warn_if_reject was met, 0: not */
	struct frame	*frame;
	unsigned	 depth, frame_cap;
	size_t		 word;		/* local_header_rewrite_clients: which one */
	struct work	 work;
	struct buf	 reply;
	bool		 quiet;		/* not a list: rejects are not logged here */
};

/* eval.c */
void	run_push(struct access_run *, const struct list *, struct list *owned);
void	work_end(struct access_run *);

/* reject.c */
enum verdict run_reject(struct access_run *, unsigned error_class, int code, const char *dsn, const char *fmt, ...) PRINTF(5, 6);
enum verdict run_config_error(struct access_run *);	/* 451 4.3.5 Server configuration error */
enum verdict run_dict_retry(struct access_run *, const char *name);	/* 451 4.3.0 <name>: Temporary lookup failure */
enum verdict run_permit(struct access_run *, const char *action, const char *cls, const char *name, const char *from);
/* tf_action: the ..._tempfail_action parameter; NULL is defer_if_permit. */
enum verdict run_defer_if_permit(struct access_run *, const char *tf_action, int code, const char *dsn, const char *fmt, ...) PRINTF(5, 6);
enum verdict run_defer_if_reject(struct access_run *, int code, const char *dsn, const char *fmt, ...) PRINTF(4, 5);
enum verdict run_forced(struct access_run *, const struct access_defer *);	/* the deferral that was kept */
void	defer_release(struct access_defer *);
/* Where text's own "d.d.d " ends, dsn_r filled, else text and fallback. */
const char *dsn_split(char dsn_r[12], const char *fallback, const char *text);
const char *dsn_fix(struct access_run *, const char *dsn, const char *reply_class);

/* lookup.c: pieces that checks are made of. DUNNO: the result is there to be looked at. */
enum verdict run_resolve(struct access_run *, const char *sender, const char *addr);	/* REJECT: a table failed */
/* OK: matched; DUNNO: not; REJECT: 451 about the reply name. */
enum verdict run_match(struct access_run *, const struct match_list *, const char *name, const char *addr);
enum find_how {
	FIND_FULL = 1,		/* user+ext@domain, all tables */
	FIND_NOEXT = 2,		/* user@domain */
	FIND_LOCAL_IF_LOCAL = 4,	/* user+ext, user where the domain is ours */
	FIND_AT_DOMAIN = 8,	/* @domain */
	FIND_DOMAIN = 16,	/* domain and its parents, as smtpd_access_maps say */
	FIND_LOCAL_AT = 32,	/* user+ext@, user@ */
	FIND_DEFAULT = FIND_FULL | FIND_NOEXT | FIND_LOCAL_IF_LOCAL | FIND_AT_DOMAIN,
};
enum find_result { FOUND_WAIT = 0, FOUND, FOUND_NONE, FOUND_ERROR };
/* Postfix's mail_addr_find over an address: work.maps holds the answer. local: its domain is ours. work.pos and .sub are used. */
enum find_result run_find_addr(struct access_run *, const struct maps *, const char *addr, unsigned how, bool local);
/* A domain and its parents; an address and its networks. work.pos is used, restarted by 0. */
enum find_result run_find_domain(struct access_run *, const struct maps *, const char *domain);
enum find_result run_find_net(struct access_run *, const struct maps *, const char *addr);
enum find_result run_find_key(struct access_run *, const struct maps *, const char *key);

/* result.c: an access(5) result, as a verdict. */
enum verdict run_result(struct access_run *, const char *table, const char *value, const char *datum, const char *name,
	    const char *cls);

/* expand.c: own names first, then those of the session. */
bool	expand_with(struct buf *out, const char *text, const struct access_facts *, const char *(*own)(void *, const char *), void *own_arg);

/* check_unlisted.c */
enum verdict unlisted_judge(struct access_run *, bool sender);
enum verdict auth_destination(struct access_run *, const char *recipient);	/* OK: ours or relayed to; resolves */

extern const char class_client[], class_rev_client[], class_helo[], class_sender[], class_recipient[], class_data[], class_eod[],
    class_etrn[];

/* judges, one file per subject */
#define JUDGE(f) enum verdict f(struct access_run *, const struct step *)
JUDGE(permit_judge); JUDGE(reject_judge); JUDGE(defer_judge); JUDGE(defer_if_permit_judge); JUDGE(defer_if_reject_judge);
JUDGE(sleep_judge); JUDGE(plaintext_judge); JUDGE(pipelining_judge);
JUDGE(mynetworks_judge); JUDGE(inet_interfaces_judge); JUDGE(sasl_judge); JUDGE(tls_cert_judge); JUDGE(unknown_client_judge);
JUDGE(unauth_destination_judge); JUDGE(auth_destination_judge); JUDGE(relay_domains_judge); JUDGE(mx_backup_judge);
JUDGE(invalid_helo_judge); JUDGE(unknown_helo_judge); JUDGE(non_fqdn_helo_judge); JUDGE(naked_ip_judge);
JUDGE(non_fqdn_address_judge); JUDGE(unknown_address_judge); JUDGE(unlisted_address_judge); JUDGE(multi_rcpt_bounce_judge);
JUDGE(map_judge); JUDGE(server_judge); JUDGE(rbl_judge); JUDGE(login_mismatch_judge); JUDGE(unavailable_judge);
enum verdict forbid_ok(struct access_run *, const struct step *, enum verdict);
enum verdict suspicious_ok(struct access_run *, const struct step *, enum verdict);
/* variants */
enum { ABOUT_CLIENT, ABOUT_REV_CLIENT, ABOUT_HELO, ABOUT_SENDER, ABOUT_RECIPIENT, ABOUT_ETRN, ABOUT_SASL, ABOUT_CCERT };
/* The name, and for mail addresses the whole address, that a check about X looks at; NULL: not there, nothing to check. */
const char *about_value(const struct access_run *, int about);
const char *about_class(int about);
const char *about_reply_name(const struct access_run *, int about);
#endif
