/* service.h - one generation of running configuration: the services of master.cf.
 * A `struct generation` holds the config and its services; sessions and deliveries hold
 * a reference to their service and so keep the generation alive: what they read never
 * changes under them. Modules below (smtpd, smtp, deliver ...) register a class for the
 * master.cf commands they implement; a class compiles what it needs once per service. */
#ifndef POSTRIDER_SERVICE_H
#define POSTRIDER_SERVICE_H
#include <postrider/base.h>
#include <postrider/config.h>
#include <postrider/log.h>
#include <sys/socket.h>

struct maps;
struct task;
struct tables;
struct service;
struct generation;

struct service_class {
	const char	*command;	/* master.cf's last column: "smtpd", "smtp", "lmtp", "virtual", "error" ... */
	bool		 takes_connections;	/* inet services of this class are bound and accepted */
	/* In the load job (worker thread; blocking allowed; touches nothing of the loop): build the
	 * compiled state (rule lists, tables, TLS context). Problems go to the list. May be NULL. */
	void		*(*compile)(struct service *, struct problems *);
	/* When the last reference goes: leave, on the loop, takes it out of what the loop has; release, on any
	 * thread, frees it (a large configuration takes long). Either may be NULL. */
	void		 (*leave)(void *state);
	void		 (*release)(void *state);
	/* On the loop: a connection for this service; takes fd. */
	void		 (*accept)(struct service *, int fd, const struct sockaddr *peer, socklen_t peer_len);
};
void	service_class_register(const struct service_class *);	/* at start, before any load */

struct service {			/* read-only for all but src/service */
	struct generation *generation;
	const struct master_entry *entry;
	const struct service_class *class_;	/* NULL: known line that is part of the one process (pickup, qmgr ...) */
	const struct view *view, *view_stress;
	char		*log_name;	/* "postfix/smtpd": syslog_name/process name, as Postfix builds it */
	void		*state;		/* compile()'s */
	struct maps	*status_filter;	/* a delivery agent's ..._delivery_status_filter; NULL: none */
	unsigned	 limit;		/* concurrent sessions or deliveries; 0: none (DESIGN §5) */
	unsigned	 active;	/* sessions or deliveries now */
	unsigned	 refs;
};
/* The view to use for a new session: stress above 80 % of the session limit. */
const struct view *service_view(const struct service *);
struct service *service_ref(struct service *);		/* counts up `active` too */
void	service_unref(struct service **);

/* Delivery services by transport name ("smtp", "relay", own names); NULL: unknown transport. */
struct service *service_transport(const struct generation *, const char *name);
struct service *service_find(const struct generation *, const char *command);	/* the first such line */
/* The line of this name that takes connections ("submission", "192.0.2.1:25"). */
struct service *service_listener(const struct generation *, const char *name);
const struct config *generation_config(const struct generation *);
/* The generation's one set of tables: all compile functions open their maps and match lists in it. */
struct tables *generation_tables(const struct generation *);
const struct view *generation_view(const struct generation *);	/* base view */
struct generation *generation_current(void);		/* borrowed */
/* Shared compiled state of a module for a whole generation (relay_domains lists, mynetworks ...): built in
 * the load job by hooks registered here, released with the generation. */
struct generation_hook {
	const char	*name;
	void		*(*compile)(struct generation *, struct problems *);
	void		 (*leave)(void *state);		/* both as in service_class */
	void		 (*release)(void *state);
	void		 (*adopt)(void *state);	/* on the loop when the generation becomes current; may be NULL */
	int		 slot;			/* set by registering */
};
void	generation_hook_register(struct generation_hook *);
void	*generation_state(const struct generation *, const struct generation_hook *);

/* Start and reload. load is blocking (call before the loop, or as a job); adopt runs on the loop: binds new
 * addresses, keeps unchanged sockets, closes removed ones. All or nothing. */
struct generation *generation_load(const char *config_dir, const struct strs *overrides, struct problems *);
/* For `postrider check`: goes on after fatal problems, to find all there are. Never NULL, never to be adopted. */
struct generation *generation_check(const char *config_dir, const struct strs *overrides, struct problems *);
struct generation *generation_ref(struct generation *);
void	generation_unref(struct generation **);
/* Binding is done by us or asked of the parent: fds for addresses arrive through this table (address text
 * "192.0.2.1:25" or "[::1]:25" -> fd), also LISTEN_FDS. NULL fd source: bind ourselves. */
struct listen_op { void *priv; bool active; int result; char *why; };
void	generation_adopt_start(struct listen_op *, struct task *, struct generation *);
int	generation_adopt_poll(struct listen_op *);	/* 0 wait, 1 adopted, -1 refused: op->why */
void	generation_adopt_end(struct listen_op *);
/* Addresses ("ip:port") a configuration listens on, for the parent's plan. Blocking: host names are looked up. */
void	service_listen_plan(const struct config *, struct strs *out, struct problems *);
/* Through the parent, where there is one: binds; gives an address up for good. */
void	service_set_binder(int (*bind_fd)(const char *addr, int *err_r), void (*unbind)(const char *addr));
void	service_stop_listening(void);	/* drain: closes listeners */
unsigned service_sessions(void);	/* inbound sessions now: references to services that take connections */
/* postrider_session_limit, lowered to what the descriptor limit allows (a session may need two). */
unsigned service_session_limit(const struct generation *);
void	generation_release_current(void);	/* at the end of the run */
#endif
