/* hello.c - the beginning of a session: greeting, EHLO, LHLO or HELO, and what the server offers.
 *
 *	BANNER ──► (PIX) ──► EHLO ──► DISCARD ──► TRANSACTION
 *	                       └────► HELO ─────────┘
 *
 * A server that refuses here is refusing us, not a recipient: the next address may do better.
 * Sessions with TLS and authentication will branch off between DISCARD and TRANSACTION. */
#include "client.h"
#include <ctype.h>
#include <postrider/clock.h>
#include <stdlib.h>

/* 5xx may be turned into a temporary failure (greetings, smtp_skip_5xx_greeting). */
static void refused(struct attempt *a, bool soften)
{
	struct reply *r = &a->conn->reply;
	char dsn[sizeof(r->dsn)];

	reply_flatten(r);
	str_copy(dsn, r->dsn, sizeof(dsn));
	if (soften && r->code / 100 == 5)
		dsn[0] = '4';
	why_set(a, dsn, r, "host %s refused to talk to me: %s", a->conn->namaddr, buf_str(&r->text));
	fail_all(a, true);
	session_end(a);
}

/* Next word of a line; *p moves behind it. Empty: none. */
static struct slice word(const char **p, const char *end, const char *sep)
{
	struct slice w;

	while (*p < end && strchr(sep, **p) != NULL)
		(*p)++;
	w.p = *p;
	while (*p < end && strchr(sep, **p) == NULL)
		(*p)++;
	w.len = (size_t)(*p - w.p);
	return w;
}

static bool word_is(struct slice w, const char *s)
{
	return strlen(s) == w.len && strncasecmp(w.p, s, w.len) == 0;
}

/* ---- greeting --------------------------------------------------------------------------------------------------- */
static bool loop_detect(const struct attempt *a)
{
	return !a->svc->p.lmtp && a->at.port == 25;
}

static void greeting_read(struct attempt *a)
{
	struct conn *c = a->conn;
	const char *p = buf_str(&c->reply.text), *end = p + c->reply.text.len;
	struct slice w = word(&p, end, "- \t\n");	/* the code */

	for (unsigned n = 0; (w = word(&p, end, " \t\n")).len > 0; n++) {
		if (n == 0 && word_is(w, a->svc->p.myhostname)) {
			if (loop_detect(a))
				log_warn(&a->d->log, "host %s greeted me with my own hostname %s", c->relay,
				    a->svc->p.myhostname);
		} else if (word_is(w, "ESMTP")) {
			c->features |= FEAT_ESMTP;
		}
	}
}

/* CISCO PIX "fixup protocol smtp" overwrites the greeting with asterisks. */
static bool greeting_is_pix(const struct conn *c)
{
	const char *p = buf_str(&c->reply.text);

	return p[strspn(p, "20 *\t\n")] == '\0';
}

static void pix_apply(struct attempt *a, const char *words)
{
	struct conn *c = a->conn;
	unsigned mask = pix_mask(words);
	struct buf shown = { 0 };

	if (*words == '\0')
		return;
	if (a->d->msg->arrival_us / 1000000 > wall_s() - a->svc->p.pix_threshold_s)
		mask &= ~(unsigned)FEAT_PIX_DELAY_DOTCRLF;
	pix_mask_print(&shown, mask);
	log_info(&a->d->log, "%s: enabling PIX workarounds: %s for %s", a->d->msg->name, buf_str(&shown), c->relay);
	buf_release(&shown);
	c->features |= mask;
}

static void say_hello(struct attempt *a)
{
	const struct smtp_params *p = &a->svc->p;
	struct conn *c = a->conn;

	if (p->lmtp || (p->always_ehlo && !(c->features & FEAT_PIX_NO_ESMTP)))
		c->features |= FEAT_ESMTP;
	if (p->never_ehlo || (!p->lmtp && (c->features & FEAT_PIX_NO_ESMTP)))
		c->features &= ~(unsigned)FEAT_ESMTP;
	attempt_enter(a, (c->features & FEAT_ESMTP) ? ST_EHLO : ST_HELO);
}

static void banner_done(struct attempt *a)
{
	struct conn *c = a->conn;

	if (c->reply.code / 100 != 2) {
		refused(a, a->svc->p.skip_5xx_greeting);
		return;
	}
	greeting_read(a);
	if (greeting_is_pix(c))
		attempt_enter(a, ST_PIX);
	else
		say_hello(a);
}

static bool pix_step(struct attempt *a)
{
	const char *words = a->svc->p.pix_words;

	if (a->svc->pix_maps != NULL) {
		enum table_result r = maps_poll(&a->map);

		if (r == TABLE_WAIT)
			return false;
		if (r == TABLE_FOUND)
			words = a->map.value;
	}
	pix_apply(a, words);
	maps_end(&a->map);
	say_hello(a);
	return true;
}

/* ---- EHLO ------------------------------------------------------------------------------------------------------- */
static void size_read(struct attempt *a, struct slice w)
{
	struct conn *c = a->conn;
	char text[32];
	size_t len = MIN(w.len, sizeof(text) - 1);
	int64_t n;

	c->features |= FEAT_SIZE;
	if (len == 0)
		return;
	memcpy(text, w.p, len);
	text[len] = '\0';
	if (text[strspn(text, "0123456789")] != '\0')
		log_warn(&a->d->log, "bad EHLO SIZE limit \"%.*s\" from %s", (int)w.len, w.p, c->relay);
	else if (str_to_int(text, 0, INT64_MAX, &n))
		c->size_limit = n;
}

static unsigned xforward_read(const char **p, const char *end)
{
	static const struct { const char *name; unsigned bit; } attrs[] = {
		{ "NAME", FEAT_XFORWARD_NAME }, { "ADDR", FEAT_XFORWARD_ADDR }, { "PORT", FEAT_XFORWARD_PORT },
		{ "PROTO", FEAT_XFORWARD_PROTO }, { "HELO", FEAT_XFORWARD_HELO }, { "IDENT", FEAT_XFORWARD_IDENT },
		{ "SOURCE", FEAT_XFORWARD_DOMAIN },
	};
	unsigned bits = 0;
	struct slice w;

	while ((w = word(p, end, " \t")).len > 0)
		for (size_t i = 0; i < NELEM(attrs); i++)
			if (word_is(w, attrs[i].name))
				bits |= attrs[i].bit;
	return bits;
}

/* One line of the answer: "250-SIZE 1000", "250 AUTH=PLAIN". */
static void feature_read(struct attempt *a, const char *p, const char *end, unsigned discard)
{
	static const struct { const char *name; unsigned bit; } plain[] = {
		{ "8BITMIME", FEAT_8BITMIME }, { "PIPELINING", FEAT_PIPELINING }, { "STARTTLS", FEAT_STARTTLS },
		{ "AUTH", FEAT_AUTH }, { "DSN", FEAT_DSN }, { "SMTPUTF8", FEAT_SMTPUTF8 },
	};
	struct slice w = word(&p, end, " \t=");

	if (word_is(w, "SIZE")) {
		if (!(discard & FEAT_SIZE))
			size_read(a, word(&p, end, " \t="));
	} else if (word_is(w, "XFORWARD")) {
		a->conn->features |= xforward_read(&p, end) & ~discard;
	} else {
		for (size_t i = 0; i < NELEM(plain); i++)
			if (word_is(w, plain[i].name))
				a->conn->features |= plain[i].bit & ~discard;
	}
}

/* It calls itself as we do: false, and the session is over. */
static bool name_ok(struct attempt *a, struct slice name)
{
	struct conn *c = a->conn;
	bool best = a->route.nhop > 0 && a->ihop > 0 && a->route.hop[a->ihop - 1].pref == a->route.best_pref;

	if (!word_is(name, a->svc->p.myhostname) || !loop_detect(a))
		return true;
	log_warn(&a->d->log, "host %s replied to HELO/EHLO with my own hostname %s", c->relay, a->svc->p.myhostname);
	why_set(a, best ? "5.4.6" : "4.4.6", NULL, "mail for %s loops back to myself", a->d->nexthop);
	fail_all(a, true);
	session_end(a);
	return false;
}

static void features_read(struct attempt *a, unsigned discard)
{
	struct conn *c = a->conn;
	const char *p = buf_str(&c->reply.text), *end = p + c->reply.text.len;
	struct buf shown = { 0 };

	if (discard != 0 && !(discard & EHLO_SILENT)) {
		ehlo_mask_print(&shown, discard);
		log_info(&a->d->log, "discarding EHLO keywords: %s", buf_str(&shown));
		buf_release(&shown);
	}
	for (unsigned n = 0; p < end; n++) {
		const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl != NULL ? nl : end;

		p = MIN(p + 4, stop);		/* "250-" */
		if (n > 0) {
			feature_read(a, p, stop, discard);
		} else if (!name_ok(a, word(&p, stop, " \t="))) {
			return;
		}
		p = nl != NULL ? nl + 1 : end;
	}
	/* RFC 6531 §3.1 asks for both; who has the one can do the other. */
	if ((c->features & (FEAT_SMTPUTF8 | FEAT_8BITMIME)) == FEAT_SMTPUTF8) {
		log_info(&a->d->log, "host %s offers SMTPUTF8 support, but not 8BITMIME", c->namaddr);
		c->features |= FEAT_8BITMIME;
	}
	attempt_enter(a, ST_TRANSACTION);
}

static void ehlo_done(struct attempt *a)
{
	struct conn *c = a->conn;

	if (c->reply.code / 100 == 2)
		attempt_enter(a, ST_DISCARD);
	else if (a->svc->p.lmtp || c->reply.code == 421)
		refused(a, false);
	else
		attempt_enter(a, ST_HELO);
}

static bool discard_step(struct attempt *a)
{
	const char *words = a->svc->p.discard_words;
	unsigned mask;

	if (a->svc->discard_maps != NULL) {
		enum table_result r = maps_poll(&a->map);

		if (r == TABLE_WAIT)
			return false;
		if (r == TABLE_ERROR) {
			maps_end(&a->map);
			why_set(a, "4.3.0", NULL, "local data error while talking to %s", a->conn->namaddr);
			fail_all(a, true);
			session_end(a);
			return true;
		}
		if (r == TABLE_FOUND)
			words = a->map.value;
	}
	mask = client_ehlo_mask(&a->d->log, words, NULL);
	maps_end(&a->map);
	features_read(a, mask);
	return true;
}

static void helo_done(struct attempt *a)
{
	struct conn *c = a->conn;

	c->features &= ~(unsigned)FEAT_ESMTP;
	if (c->reply.code / 100 != 2) {
		refused(a, false);
		return;
	}
	attempt_enter(a, ST_TRANSACTION);
}

bool hello_step(struct attempt *a)
{
	enum stream_result r;

	if (a->state == ST_PIX)
		return pix_step(a);
	if (a->state == ST_DISCARD)
		return discard_step(a);
	r = conn_reply(a->conn, &a->d->log, a->d->msg->name);
	if (r == STREAM_WAIT)
		return false;
	if (r != STREAM_OK) {
		fail_io(a, r);
		session_end(a);
		return true;
	}
	switch (a->state) {
	case ST_BANNER:
		banner_done(a);
		break;
	case ST_EHLO:
		ehlo_done(a);
		break;
	default:
		helo_done(a);
		break;
	}
	return true;
}
