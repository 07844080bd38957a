/* submit.c - verb submit: a message from the sendmail command. "Queued" is answered after the commit. */
#include "server.h"
#include "submission.h"
#include <stdlib.h>

enum { ATTR_MAX = 8192, NAME_MAX_BYTES = 32 };

static enum step refused(struct conn *c, struct submission *s)
{
	int status;
	const char *why = submission_why(s, &status);

	if (status != 0)
		answer_attr(c, "status=%d", status);
	return answer_error(c, "%s", why);
}

/* What came is digested: more, or the end. */
static enum step submit_step(struct conn *c)
{
	struct submission *s = c->verb_state;

	switch (submission_poll(s)) {
	case SUBMISSION_WAIT:
		return STEP_WAIT;
	case SUBMISSION_READY:
		return STEP_INPUT;
	case SUBMISSION_QUEUED:
		answer_attr(c, "id=%s", submission_id(s));
		return answer_ok(c);
	case SUBMISSION_REFUSED:
		break;
	}
	return refused(c, s);
}

static enum step attribute(struct conn *c, struct submission *s, const char *p, size_t n)
{
	const char *eq = memchr(p, '=', MIN(n, NAME_MAX_BYTES)), *why;
	char *text;

	if (n > ATTR_MAX || eq == NULL || memchr(p, '\0', n) != NULL)
		return answer_error(c, "bad attribute");
	text = xstrndup(p, n);
	text[eq - p] = '\0';
	why = submission_attr(s, text, text + (eq - p) + 1);
	free(text);
	return why == NULL ? submit_step(c) : answer_error(c, "%s", why);
}

static enum step submit_input(struct conn *c, char type, const char *p, size_t n)
{
	struct submission *s = c->verb_state;

	if (s == NULL)
		s = c->verb_state = submission_new(&c->task, c->uid);
	switch (type) {
	case 'A':
		return attribute(c, s, p, n);
	case 'R':
		return STEP_INPUT;
	case 'D':
		if (n > 0)
			submission_data(s, p, n);
		else
			submission_finish(s);
		return submit_step(c);
	default:
		return answer_error(c, "content was expected");
	}
}

static void submit_end(struct conn *c)
{
	struct submission *s = c->verb_state;

	submission_free(&s);
}

const struct verb verb_submit = { .name = "submit", .right = RIGHT_SUBMIT, .input = submit_input, .step = submit_step,
	.end = submit_end };
