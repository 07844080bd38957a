/* immediate.c - transports whose answer is known at once: error and retry (their next hop is the text, as in
 * "error:5.1.1 mailbox disabled"), discard, and those that need the parent's privileged half. */
#include "room.h"
#include <ctype.h>

/* "5.1.1 text": the code's length, 0 if there is none. */
static size_t dsn_len(const char *s)
{
	size_t i = 1, start;

	if (*s != '2' && *s != '4' && *s != '5')
		return 0;
	for (int part = 0; part < 2; part++) {
		if (s[i] != '.')
			return 0;
		for (start = ++i; isdigit((unsigned char)s[i]); i++)
			continue;
		if (i == start || i - start > 3)
			return 0;
	}
	return s[i] == '\0' || isspace((unsigned char)s[i]) ? i : 0;
}

/* Splits the next hop; a code of another class than the outcome's is not used, and that is said. */
static struct status split(struct delivery *d, char dsn[12], const char *def, const char *who)
{
	const char *text = d->nexthop;
	size_t n = dsn_len(text);

	str_copy(dsn, def, 12);
	if (n > 0 && n < 12) {
		if (*text == *def) {
			memcpy(dsn, text, n);
			dsn[n] = '\0';
		} else {
			log_warn(&d->log, "%s: ignoring dsn code \"%.*s\"", who, (int)n, text);
		}
		text += n;
		while (isspace((unsigned char)*text))
			text++;
	}
	return (struct status){ .dsn = dsn, .relay = "none", .text = *text != '\0' ? text : d->nexthop, .final = true };
}

static void no_start(struct delivery *d UNUSED)
{
}

static void no_end(struct delivery *d UNUSED)
{
}

static void all(
    struct delivery *d, void (*report)(struct delivery *, unsigned, const struct status *), const struct status *st)
{
	for (unsigned i = 0; i < d->nrcpt; i++)
		if (d->rcpt[i].out == OUT_NONE)
			report(d, i, st);
}

/* One program, two services: what "retry" says is temporary. */
static enum agent_result error_poll(struct delivery *d)
{
	bool retry = strcmp(d->transport, "retry") == 0;
	char dsn[12];
	struct status st = split(d, dsn, retry ? "4.0.0" : "5.0.0", retry ? "defer_append" : "bounce_append");

	all(d, retry ? delivery_deferred : delivery_bounced, &st);
	return AGENT_DONE;
}

static enum agent_result discard_poll(struct delivery *d)
{
	char dsn[12];
	struct status st = split(d, dsn, "2.0.0", "sent");

	all(d, delivery_sent, &st);
	return AGENT_DONE;
}

static enum agent_result unavailable_poll(struct delivery *d)
{
	static const struct status st = { .dsn = "4.3.0", .relay = "none", .text = "mail transport unavailable" };

	delivery_site_failed(d, &st, false);
	return AGENT_DONE;
}

const struct agent_class error_agent = { "error", no_start, error_poll, no_end };
const struct agent_class discard_agent = { "discard", no_start, discard_poll, no_end };
const struct agent_class local_agent = { "local", no_start, unavailable_poll, no_end };
const struct agent_class pipe_agent = { "pipe", no_start, unavailable_poll, no_end };
