/* rules.c - postrider check: what only shows when several settings are looked at together. None of it stops a
 * start: mail of one kind would wait or fail, and the rest is served. Texts are Postfix's where it has one. */
#include "postrider.h"
#include <postrider/service.h>
#include <postrider/smtp.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check_users(const struct view *v, struct problems *problems)
{
	const char *privs = view_str(v, default_privs);
	struct passwd *pw;
	char *why;
	int line = 0;

	if (geteuid() != 0)
		return;		/* not needed: no user is changed to */
	if ((why = owner_unfit(v, getpwnam(view_str(v, mail_owner)))) != NULL)
		problem_add(problems, PROBLEM_FATAL, config_location(v->config, "mail_owner", &line), line, "%s", why);
	free(why);
	if (!config_is_set(v->config, "default_privs"))
		return;
	pw = getpwnam(privs);
	if (pw == NULL)
		problem_add(problems, PROBLEM_ERROR, NULL, 0, "parameter default_privs: unknown user name value: %s", privs);
	else if (pw->pw_uid == 0)
		problem_add(problems, PROBLEM_ERROR, NULL, 0, "parameter default_privs: user %s has privileged user ID", privs);
	else if (pw->pw_gid == 0)
		problem_add(problems, PROBLEM_ERROR, NULL, 0, "parameter default_privs: user %s has privileged group ID", privs);
}

static const struct master_entry *transport(const struct config *c, const char *value)
{
	size_t length = strcspn(value, ":");

	for (size_t i = 0; i < config_master_count(c); i++) {
		const struct master_entry *e = config_master(c, i);

		if (e->type == MASTER_UNIX && strncmp(e->name, value, length) == 0 && e->name[length] == '\0')
			return e;
	}
	return NULL;
}

static void check_nexthop(const struct view *v, const char *name, const char *command, const char *nexthop,
    struct problems *problems)
{
	bool lmtp = strcmp(command, "lmtp") == 0;
	char *why = NULL;

	if (lmtp || strcmp(command, "smtp") == 0)
		why = smtp_nexthop_unfit(v, nexthop, lmtp);
	if (why != NULL)
		problem_add(problems, PROBLEM_ERROR, NULL, 0, "parameter %s: %s: its mail will wait", name, why);
	free(why);
}

/* Mail for a transport that no service of master.cf carries waits until it expires: legal, but seldom meant where
 * main.cf names it. A default left alone says nothing: most small set-ups have no use for all of them. */
static void check_transports(const struct config *c, const struct view *v, struct problems *problems)
{
	static const char *const names[] = { "default_transport", "local_transport", "relay_transport", "virtual_transport",
		"mailbox_transport", "fallback_transport", "content_filter" };

	for (size_t n = 0; n < NELEM(names); n++) {
		const char *value = config_is_set(c, names[n]) ? view_lookup(v, names[n]) : NULL;
		const struct master_entry *e;

		if (value == NULL || value[0] == '\0' || value[0] == ':')
			continue;
		e = transport(c, value);
		if (e == NULL)
			problem_add(problems, PROBLEM_WARNING, NULL, 0, "parameter %s: no service %.*s in master.cf: its mail will wait",
			    names[n], (int)strcspn(value, ":"), value);
		else if (strchr(value, ':') != NULL)
			check_nexthop(v, names[n], e->command, strchr(value, ':') + 1, problems);
	}
	check_nexthop(v, "relayhost", "smtp", view_str(v, relayhost), problems);
	check_nexthop(v, "smtp_fallback_relay", "smtp", view_str(v, smtp_fallback_relay), problems);
	check_nexthop(v, "smtp_tcp_port", "smtp", "localhost", problems);
	check_nexthop(v, "lmtp_tcp_port", "lmtp", "inet:localhost", problems);
}

static bool carries(const struct config *c, const char *value, const char *command)
{
	const struct master_entry *e = transport(c, value);

	return e != NULL && strcmp(e->command, command) == 0;
}

static void check_mailbox(const char *name, int64_t limit, int64_t message, struct problems *problems)
{
	if (limit > 0 && (message == 0 || message > limit))
		problem_add(problems, PROBLEM_ERROR, NULL, 0, "main.cf configuration error: %s is smaller than message_size_limit",
		    name);
}

static void check_limits(const struct config *c, const struct view *v, struct problems *problems)
{
	int64_t message = view_long(v, message_size_limit), minfree = view_long(v, queue_minfree);

	if (*view_str(v, virtual_mailbox_domains) != '\0' && carries(c, view_str(v, virtual_transport), "virtual"))
		check_mailbox("virtual_mailbox_limit", view_long(v, virtual_mailbox_limit), message, problems);
	if (*view_str(v, mydestination) != '\0' && carries(c, view_str(v, local_transport), "local"))
		check_mailbox("mailbox_size_limit", view_long(v, mailbox_size_limit), message, problems);
	if (minfree > 0 && message > 0 && (double)minfree / 1.5 < (double)message)
		problem_add(problems, PROBLEM_WARNING, NULL, 0, "queue_minfree(%lld) should be at least 1.5*message_size_limit(%lld)",
		    (long long)minfree, (long long)message);
	if (view_secs(v, bounce_queue_lifetime) > view_secs(v, maximal_queue_lifetime))
		problem_add(problems, PROBLEM_WARNING, NULL, 0,
		    "bounce_queue_lifetime is larger than maximal_queue_lifetime - adjusting bounce_queue_lifetime");
	if (view_secs(v, minimal_backoff_time) > view_secs(v, maximal_backoff_time))
		problem_add(problems, PROBLEM_WARNING, NULL, 0, "minimal_backoff_time is larger than maximal_backoff_time");
	if (view_int(v, qmgr_message_recipient_limit) < view_int(v, qmgr_message_active_limit))
		problem_add(problems, PROBLEM_WARNING, NULL, 0, "qmgr_message_recipient_limit is smaller than "
		    "qmgr_message_active_limit - adjusting qmgr_message_recipient_limit");
}

/* A domain belongs to one class; tables cannot be asked for what they list. */
static void check_classes(const struct config *c, const struct view *v, struct problems *problems)
{
	const struct { const char *name, *value; } class[] = {
		{ "mydestination", view_str(v, mydestination) }, { "virtual_alias_domains", view_str(v, virtual_alias_domains) },
		{ "virtual_mailbox_domains", view_str(v, virtual_mailbox_domains) }, { "relay_domains", view_str(v, relay_domains) },
	};

	for (size_t i = 0; i < NELEM(class); i++)
		for (size_t k = i + 1; k < NELEM(class); k++) {
			struct strs a = { 0 }, b = { 0 };

			strs_split(&a, class[i].value, ", \t\r\n");
			if (config_is_set(c, class[k].name))
				strs_split(&b, class[k].value, ", \t\r\n");
			for (size_t x = 0; x < a.n; x++)
				for (size_t y = 0; y < b.n; y++)
					if (strpbrk(a.v[x], ":/!") == NULL && str_ieq(a.v[x], b.v[y]))
						problem_add(problems, PROBLEM_WARNING, NULL, 0,
						    "do not list domain %s in BOTH %s and %s", a.v[x], class[i].name, class[k].name);
			strs_release(&a);
			strs_release(&b);
		}
}

void rules_check(const struct config *c, struct problems *problems)
{
	const struct view *v = config_view(c);

	check_users(v, problems);
	check_transports(c, v, problems);
	check_limits(c, v, problems);
	check_classes(c, v, problems);
	if (strchr(view_str(v, myhostname), '.') == NULL)
		problem_add(problems, PROBLEM_WARNING, NULL, 0, "myhostname %s is not a fully qualified name", view_str(v, myhostname));
	if (view_str(v, queue_directory)[0] != '/')
		problem_add(problems, PROBLEM_FATAL, NULL, 0, "parameter queue_directory: %s is not an absolute path",
		    view_str(v, queue_directory));
}
