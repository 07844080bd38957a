/* explain_report.c - prints what explain finds out. */
#include "explain.h"
#include <stdarg.h>
#include <stdio.h>

/* What tables and command lines hold may be read on a terminal: nothing in it is obeyed there. */
static void line(const char *fmt, ...) PRINTF(1, 2);
static void line(const char *fmt, ...)
{
	struct buf b = { 0 };
	va_list ap;

	va_start(ap, fmt);
	buf_vaddf(&b, fmt, ap);
	va_end(ap);
	puts(str_printable(b.p, '?'));
	buf_release(&b);
}

static void end_section(struct report *r)
{
	if (r->json && r->in_section) {
		if (r->any_step)
			buf_adds(&r->out, "\n   ]");
		buf_addf(&r->out, "%s}", buf_str(&r->facts));
		buf_reset(&r->facts);
	}
	r->in_section = r->any_step = false;
}

static void add_string(struct buf *b, const char *name, const char *value)
{
	buf_addf(b, "\"%s\": ", name);
	if (value != NULL)
		buf_add_json(b, value);
	else
		buf_adds(b, "null");
}

void report_section(struct report *r, const char *what, const char *of)
{
	end_section(r);
	if (!r->json) {
		if (r->nsections > 0)
			puts("");
		line("%s%s%s", what, of != NULL ? " " : "", of != NULL ? of : "");
	} else {
		buf_adds(&r->out, r->nsections > 0 ? ",\n  {" : "{\"sections\": [\n  {");
		add_string(&r->out, "section", what);
		if (of != NULL) {
			buf_adds(&r->out, ", ");
			add_string(&r->out, "of", of);
		}
	}
	r->nsections++;
	r->in_section = true;
}

static void event_text(const struct trace_event *e)
{
	switch (e->kind) {
	case TRACE_REWRITE:
		line("    rewrite  %s: %s -> %s", e->what, *e->key != '\0' ? e->key : "<>",
		    *e->value != '\0' ? e->value : "<>");
		break;
	case TRACE_LOOKUP:
		if (e->failed || e->value == NULL)
			line("    lookup   %s %s: \"%s\" -> %s", e->what, e->table, e->key,
			    e->failed ? "lookup error" : "not found");
		else
			line("    lookup   %s %s: \"%s\" -> \"%s\"", e->what, e->table, e->key, e->value);
		break;
	case TRACE_MATCH:
		line("    match    %s: \"%s\" -> %s", e->what, e->key != NULL ? e->key : "",
		    e->failed ? "lookup error" : e->value);
		break;
	case TRACE_NOTE:
		line("    setting  %s = %s", e->what, e->value);
		break;
	}
}

static void event_json(struct buf *b, const struct trace_event *e)
{
	static const char *const kinds[] = { "rewrite", "lookup", "match", "setting" };

	add_string(b, "step", kinds[e->kind]);
	buf_adds(b, ", ");
	add_string(b, "what", e->what);
	if (e->table != NULL) {
		buf_adds(b, ", ");
		add_string(b, "table", e->table);
	}
	if (e->kind != TRACE_NOTE) {
		buf_adds(b, ", ");
		add_string(b, e->kind == TRACE_REWRITE ? "from" : "key", e->key);
	}
	buf_adds(b, ", ");
	if (e->failed)
		buf_adds(b, "\"error\": true");
	else
		add_string(b, e->kind == TRACE_REWRITE ? "to" : e->kind == TRACE_LOOKUP ? "answer" : "value", e->value);
}

void report_event(struct report *r, const struct trace_event *e)
{
	if (!r->json) {
		event_text(e);
		return;
	}
	if (!r->in_section)
		return;
	buf_adds(&r->out, r->any_step ? ",\n    {" : ", \"steps\": [\n    {");
	event_json(&r->out, e);
	buf_addc(&r->out, '}');
	r->any_step = true;
}

void report_fact(struct report *r, const char *name, const char *value)
{
	if (!r->json) {
		line("  %-10s %s", name, *value != '\0' ? value : "<>");
		return;
	}
	buf_adds(&r->facts, ", ");
	add_string(&r->facts, name, value);
}

void report_end(struct report *r, enum explain_status status, const char *why)
{
	static const char *const words[] = { "deliverable", "undeliverable", "temporary error" };

	end_section(r);
	if (!r->json) {
		puts("");
		line("result %s%s%s", words[status], why != NULL ? ": " : "", why != NULL ? why : "");
		return;
	}
	buf_adds(&r->out, r->nsections > 0 ? "\n ],\n " : "{\"sections\": [],\n ");
	add_string(&r->out, "result", words[status]);
	buf_addf(&r->out, ", \"status\": %d, ", status);
	add_string(&r->out, "why", why);
	buf_adds(&r->out, "}\n");
	fputs(buf_str(&r->out), stdout);
	buf_release(&r->out);
	buf_release(&r->facts);
}
