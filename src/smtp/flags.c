/* flags.c - flags=DORX of an smtp or lmtp line in master.cf: Delivered-To, X-Original-To and Return-Path before all
 * other headers, for servers that put mail into a mailbox and do not write them themselves.
 *
 * The first two name a recipient, so such a transport has to deliver to one at a time. With D, mail that has been here
 * for the same recipient before is in a loop, and goes back (the state ST_LOOP, before any server is asked for). As
 * with Postfix only the first line of a Delivered-To: counts, and all of it. X makes notices say "delivered" in
 * place of "relayed", with LMTP only. */
#include <postrider/address.h>
#include <postrider/mime.h>
#include <stdlib.h>

#include "client.h"

struct loop_check {
	struct content_op content;
	struct buf	 block;		/* the header part */
};

/* ---- the line in master.cf -------------------------------------------------------------------------------------- */
static const struct { char letter; unsigned flag; } letters[] = {
	{ 'D', CLIENT_DELIVERED }, { 'O', CLIENT_ORIGINAL }, { 'R', CLIENT_RETURN }, { 'X', CLIENT_FINAL },
};

static char *letters_load(unsigned *flags_r, const char *word)
{
	*flags_r = 0;			/* the last word counts */
	for (const char *p = word + strlen("flags="); *p != '\0'; p++) {
		size_t i = 0;

		while (i < NELEM(letters) && letters[i].letter != *p)
			i++;
		if (i == NELEM(letters))
			return xasprintf("unknown %s value \"%c\" in \"%s\"", word, *p, word + strlen("flags="));
		*flags_r |= letters[i].flag;
	}
	return NULL;
}

void flags_load(struct smtp_params *p, const struct master_entry *e, struct problems *problems)
{
	bool options = true;		/* the daemons' own come first */

	for (size_t i = 0; i < e->args.n && p->unfit == NULL; i++) {
		const char *word = e->args.v[i];

		options &= *word == '-' && word[1] != '\0';
		if (options) {
			size_t known = strspn(word + 1, "vVDSclu");

			if (word[1 + known] != '\0')
				p->unfit = xasprintf("invalid option: %c", word[1 + known]);
		} else if (strncmp(word, "flags=", 6) == 0) {
			p->unfit = letters_load(&p->flags, word);
		} else {
			p->unfit = xasprintf("unknown attribute name: %s", word);
		}
	}
	if (p->unfit != NULL)
		problem_add(problems, PROBLEM_ERROR, e->file, e->line, "service \"%s\": %s", e->name, p->unfit);
}

/* ---- before a delivery ------------------------------------------------------------------------------------------ */
static void settle(struct attempt *a, const char *dsn, const char *text)
{
	struct status st = { .dsn = dsn, .relay = a->d->transport, .text = text };

	for (unsigned i = 0; i < a->d->nrcpt; i++)
		if (*dsn == '5')
			delivery_bounced(a->d, i, &st);
		else
			delivery_deferred(a->d, i, &st);
}

bool flags_allow(struct attempt *a)
{
	unsigned wrong = a->svc->p.flags & (CLIENT_DELIVERED | CLIENT_ORIGINAL);

	if (wrong == 0 || a->d->nrcpt <= 1)
		return true;
	log_warn(&a->d->log, "flag `%c' requires %s_destination_recipient_limit = 1",
	    wrong & CLIENT_DELIVERED ? 'D' : 'O', a->d->transport);
	settle(a, "4.3.5", "mail system configuration error");
	return false;
}

/* Is one of the Delivered-To: headers for this recipient? */
static bool block_has(const struct buf *block, const char *addr)
{
	const char *p = block->p, *end = block->p + block->len, *nl;
	struct buf value = { 0 };
	bool found = false;

	for (; p < end && !found; p = nl < end ? nl + 1 : end) {
		size_t len, name;
		const struct hdr_info *info;
		char *text;

		if ((nl = memchr(p, '\n', (size_t)(end - p))) == NULL)
			nl = end;
		len = (size_t)(nl - p) - (nl > p && nl[-1] == '\r' ? 1 : 0);
		if ((name = hdr_name_len(p, len)) == 0 || (info = hdr_find(p, name)) == NULL ||
		    info->id != HDR_DELIVERED_TO)
			continue;
		text = xstrndup(p, len);
		buf_reset(&value);
		p = text + name + 1;
		address_unquote(&value, p + strspn(p, " \t\r\n\v\f"));
		found = strcasecmp(buf_str(&value), addr) == 0;
		free(text);
	}
	buf_release(&value);
	return found;
}

bool loop_check_step(struct attempt *a)
{
	struct loop_check *l = a->loop_check;
	char *text;

	if (l == NULL) {
		a->loop_check = l = xcalloc(1, sizeof(*l));
		content_read_start(&l->content, a->d->task, a->d->msg, PART_HEADER);
	}
	switch (content_read_poll(&l->content)) {
	case CONTENT_WAIT:
		return false;
	case CONTENT_DATA:
		buf_add(&l->block, l->content.p, l->content.len);
		content_read_advance(&l->content);
		return true;
	case CONTENT_FAILED:
		settle(a, "4.3.0", "queue file read error");
		attempt_enter(a, ST_DONE);
		break;
	case CONTENT_END:
		if (l->block.len > 0 && block_has(&l->block, a->d->rcpt[0].addr)) {
			text = xasprintf("mail forwarding loop for %s", a->d->rcpt[0].addr);
			settle(a, "5.4.6", text);
			free(text);
			attempt_enter(a, ST_DONE);
		} else {
			attempt_enter(a, generic_empty(&a->svc->generic) ? ST_NEXT_DEST : ST_GENERIC);
		}
		break;
	}
	loop_check_stop(a);
	return true;
}

void loop_check_stop(struct attempt *a)
{
	if (a->loop_check == NULL)
		return;
	content_read_end(&a->loop_check->content);
	buf_release(&a->loop_check->block);
	free(a->loop_check);
	a->loop_check = NULL;
}

/* ---- the headers, with addresses under their names for the outside ---------------------------------------------- */
void flags_write(const struct attempt *a)
{
	unsigned flags = a->svc->p.flags;
	struct buf out = { 0 };

	if (flags & CLIENT_RETURN) {
		buf_adds(&out, "Return-Path: <");
		address_quote_822(&out, generic_sender(a));
		buf_adds(&out, ">\r\n");
	}
	if (flags & CLIENT_ORIGINAL) {
		buf_adds(&out, "X-Original-To: ");
		address_quote_822(&out, generic_orig(a));
		buf_adds(&out, "\r\n");
	}
	if (flags & CLIENT_DELIVERED) {
		buf_adds(&out, "Delivered-To: ");
		address_quote_822(&out, generic_rcpt(a, 0));
		buf_adds(&out, "\r\n");
	}
	if (out.len > 0)
		stream_write(a->conn->stream, out.p, out.len);
	buf_release(&out);
}
