/* explain.h - the report of postrider explain, as text while it comes or as one JSON object at the end. */
#ifndef CMD_EXPLAIN_H
#define CMD_EXPLAIN_H
#include <postrider/buf.h>
#include <postrider/trace.h>

enum explain_status { EXPLAIN_DELIVERABLE = 0, EXPLAIN_UNDELIVERABLE = 1, EXPLAIN_UNSURE = 2 /* a table failed; a deferral */ };
struct report {
	bool		 json;
	bool		 in_section, any_step;
	unsigned	 nsections;
	struct buf	 out;		/* JSON so far */
	struct buf	 facts;		/* JSON of the section's results: they stand behind its steps */
};
/* A section: what happens now, to what address. Ends the one before. */
void	report_section(struct report *, const char *what, const char *of);
void	report_event(struct report *, const struct trace_event *);
void	report_fact(struct report *, const char *name, const char *value);	/* a result of the section */
/* The end: everything in one word, and why. */
void	report_end(struct report *, enum explain_status, const char *why);
#endif
