/* generic.c - the state ST_GENERIC: a message's addresses as this service's smtp_generic_maps give them.
 *
 * It comes first, before any server is asked for: the names depend on the message alone, and a table may make it wait.
 * Sender, recipients, with flags=O the address a recipient came under, and the primary headers go through one after the
 * other. A header part where nothing changed is not kept: the content is then sent as it is. Headers so many that they
 * go on in the body part are left alone there. */
#include <stdlib.h>

#include <postrider/mime.h>

#include "client.h"

struct naming {
	struct attempt	*a;
	struct generic_op op;
	struct header_op header;
	struct content_op content;
	unsigned	 next;		/* 0: the sender, then recipients, with flags=O the original */
	bool		 reading, read, busy;
	struct buf	 block;		/* the header part as stored */
	size_t		 pos;		/* in block */
	const char	*at;		/* the header being mapped */
	size_t		 at_len;
	struct buf	 text;		/* it, with '\n' between its lines */
	struct buf	 out;
	bool		 changed;
};

static unsigned names(const struct attempt *a)
{
	return 1 + a->d->nrcpt + (a->d->nrcpt == 1 && a->svc->p.flags & CLIENT_ORIGINAL ? 1 : 0);
}

static const char *orig_of(const struct attempt *a)
{
	const char *orig = a->d->rcpt[0].rcpt->orig;

	return orig != NULL && *orig != '\0' ? orig : a->d->rcpt[0].addr;
}

static const char *addr_of(const struct attempt *a, unsigned i)
{
	return i == 0 ? a->d->sender : i <= a->d->nrcpt ? a->d->rcpt[i - 1].addr : orig_of(a);
}

const char *generic_sender(const struct attempt *a)
{
	return a->named != NULL ? a->named[0] : a->d->sender;
}

const char *generic_rcpt(const struct attempt *a, unsigned i)
{
	return a->named != NULL ? a->named[i + 1] : a->d->rcpt[i].addr;
}

const char *generic_orig(const struct attempt *a)
{
	return a->named != NULL ? a->named[a->d->nrcpt + 1] : orig_of(a);
}

static void failed(struct attempt *a, const char *why)
{
	log_warn(&a->d->log, "%s", why);
	why_set(a, "4.3.0", NULL, "%s", why);
	a->idest = a->dest.n;
	attempt_enter(a, ST_LEFTOVER);
}

/* One address of the envelope; false: wait. */
static bool envelope_step(struct naming *n)
{
	struct attempt *a = n->a;

	if (!n->busy) {
		generic_start(&n->op, a->d->task, &a->svc->generic, &a->d->log, addr_of(a, n->next));
		n->busy = true;
	}
	switch (generic_poll(&n->op)) {
	case REWRITE_WAIT:
		return false;
	case REWRITE_ERROR:
		failed(a, buf_str(&n->op.why));
		break;
	case REWRITE_OK:
		a->named[n->next++] = xstrdup(buf_str(&n->op.addr));
		break;
	}
	generic_end(&n->op);
	n->busy = false;
	return true;
}

/* The header part, whole; false: wait. */
static bool read_step(struct naming *n)
{
	if (!n->reading) {
		content_read_start(&n->content, n->a->d->task, n->a->d->msg, PART_HEADER);
		n->reading = true;
	}
	switch (content_read_poll(&n->content)) {
	case CONTENT_WAIT:
		return false;
	case CONTENT_DATA:
		buf_add(&n->block, n->content.p, n->content.len);
		content_read_advance(&n->content);
		return true;
	case CONTENT_FAILED:
		failed(n->a, "queue file read error");
		break;
	case CONTENT_END:
		n->read = true;
		break;
	}
	content_read_end(&n->content);
	n->reading = false;
	return true;
}

/* The next header with its continuation lines: n->at, n->at_len as stored, n->text without CR. */
static void next_header(struct naming *n)
{
	const char *p = n->block.p + n->pos, *end = n->block.p + n->block.len, *nl;

	n->at = p;
	buf_reset(&n->text);
	do {
		nl = memchr(p, '\n', (size_t)(end - p));
		if (nl == NULL)
			nl = end;
		if (n->text.len > 0)
			buf_addc(&n->text, '\n');
		buf_add(&n->text, p, (size_t)(nl - p) - (nl > p && nl[-1] == '\r' ? 1 : 0));
		p = nl < end ? nl + 1 : end;
	} while (p < end && (*p == ' ' || *p == '\t'));
	n->at_len = (size_t)(p - n->at);
	n->pos += n->at_len;
}

static void put_header(struct naming *n, const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			buf_addc(&n->out, '\r');
		buf_addc(&n->out, *text);
	}
	buf_adds(&n->out, "\r\n");
}

/* One header; false: wait. */
static bool header_step(struct naming *n)
{
	struct attempt *a = n->a;

	if (!n->busy) {
		const struct hdr_info *info;
		size_t name_len;

		next_header(n);
		name_len = hdr_name_len(n->text.p, n->text.len);
		info = name_len > 0 ? hdr_find(n->text.p, name_len) : NULL;
		if (info == NULL || (info->flags & (HDR_SENDER | HDR_RECIP)) == 0) {
			buf_add(&n->out, n->at, n->at_len);
			return true;
		}
		header_op_start_generic(&n->header, a->d->task, &a->svc->generic, &a->d->log, n->text.p, name_len);
		n->busy = true;
	}
	switch (header_op_poll(&n->header)) {
	case REWRITE_WAIT:
		return false;
	case REWRITE_ERROR:
		failed(a, n->header.why);
		break;
	case REWRITE_OK:
		if (n->header.changed)
			put_header(n, buf_str(&n->header.text));
		else
			buf_add(&n->out, n->at, n->at_len);
		n->changed |= n->header.changed;
		break;
	}
	header_op_end(&n->header);
	n->busy = false;
	return true;
}

bool generic_step(struct attempt *a)
{
	struct naming *n = a->naming;

	if (n == NULL) {
		a->naming = n = xcalloc(1, sizeof(*n));
		n->a = a;
		a->named = xcalloc(names(a), sizeof(*a->named));
	}
	if (n->next < names(a))
		return envelope_step(n);
	if (!n->read)
		return read_step(n);
	if (n->pos < n->block.len)
		return header_step(n);
	if (n->changed) {
		a->new_header = n->out;
		n->out = (struct buf){ 0 };
	}
	attempt_enter(a, ST_NEXT_DEST);
	return true;
}

void generic_stop(struct attempt *a)
{
	struct naming *n = a->naming;

	if (n != NULL) {
		generic_end(&n->op);
		header_op_end(&n->header);
		content_read_end(&n->content);
		buf_release(&n->block);
		buf_release(&n->text);
		buf_release(&n->out);
		free(n);
	}
	for (unsigned i = 0; a->named != NULL && i < names(a); i++)
		free(a->named[i]);
	free(a->named);
	buf_release(&a->new_header);
	a->naming = NULL;
	a->named = NULL;
}
