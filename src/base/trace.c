/* trace.c - reports to the one who listens, if anybody does. */
#include <postrider/trace.h>

struct trace_listener *trace_to;

void trace_listen(struct trace_listener *listener)
{
	trace_to = listener;
}

static void report(const struct trace_event *e)
{
	if (trace_to != NULL)
		trace_to->report(trace_to, e);
}

void trace_rewrite(const char *what, const char *before, const char *after)
{
	if (strcmp(before, after) != 0)
		report(&(struct trace_event){ .kind = TRACE_REWRITE, .what = what, .key = before, .value = after });
}

void trace_lookup(const char *what, const char *table, const char *key, const char *value, bool failed)
{
	report(&(struct trace_event){ .kind = TRACE_LOOKUP, .what = what, .table = table, .key = key, .value = value,
				      .failed = failed });
}

void trace_match(const char *what, const char *table, const char *key, bool yes, bool failed)
{
	report(&(struct trace_event){ .kind = TRACE_MATCH, .what = what, .table = table, .key = key,
				      .value = yes ? "yes" : "no", .failed = failed });
}

void trace_note(const char *what, const char *text)
{
	report(&(struct trace_event){ .kind = TRACE_NOTE, .what = what, .value = text });
}
