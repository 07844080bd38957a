/* eval.c - the machine: phases of a request, lists of a phase, steps of a list.
 *
 * A request is a row of phases (smtpd_delay_reject makes RCPT ask about client, helo and sender first). A phase
 * runs one list, or does one thing that has no list (unlisted addresses, the deferral that was kept). A list
 * is a counter over steps; a step whose check waits is simply called again at the next poll, so to suspend is to
 * keep the counter. Lists nest, by restriction classes and by results of access maps: frames are
 * a stack here, never C recursion, and bounded.
 *
 * For example: RCPT by a stranger, default configuration. Phases: client, helo and sender have empty lists;
 * relay runs permit_mynetworks (no match: DUNNO), permit_sasl_authenticated (DUNNO),
 * defer_unauth_destination (resolves the recipient; REJECT). The reject was formatted and logged by the check;
 * the machine unwinds, remaining phases are dropped, and access_poll() says REJECT from then on.
 *
 * Warnings: warn_if_reject holds for the step behind it and the lists below that step; warn_level is the depth
 * at which it was met. Discard: once a map said DISCARD, every list behaves as if it had ended. */
#include "eval.h"
#include <postrider/log.h>
#include <postrider/service.h>
#include <stdlib.h>

enum phase {
	PH_CLIENT, PH_HELO, PH_SENDER, PH_SENDER_LISTED, PH_RELAY, PH_RECIPIENT, PH_RCPT_LISTED,
	PH_DATA, PH_EOD, PH_ETRN, PH_DEFERRED, PH_ASK_SENDER, PH_ASK_RCPT, PH_END
};

static const unsigned char plan_connect[] = { PH_CLIENT, PH_END };
static const unsigned char plan_helo[] = { PH_HELO, PH_END };
static const unsigned char plan_mail[] = { PH_SENDER, PH_SENDER_LISTED, PH_END };
/* Two orders of relay and recipient lists; the delayed stages are the first four. */
static const unsigned char plan_rcpt[2][9] = {
	{ PH_CLIENT, PH_HELO, PH_SENDER, PH_SENDER_LISTED, PH_RECIPIENT, PH_RELAY, PH_DEFERRED, PH_RCPT_LISTED,
	    PH_END },
	{ PH_CLIENT, PH_HELO, PH_SENDER, PH_SENDER_LISTED, PH_RELAY, PH_RECIPIENT, PH_DEFERRED, PH_RCPT_LISTED,
	    PH_END },
};
static const unsigned char plan_data[] = { PH_DATA, PH_DEFERRED, PH_END };
static const unsigned char plan_eod[] = { PH_EOD, PH_DEFERRED, PH_END };
static const unsigned char plan_ask_sender[] = { PH_ASK_SENDER, PH_END }, plan_ask_rcpt[] = { PH_ASK_RCPT, PH_END };
static const unsigned char plan_etrn[] = { PH_CLIENT, PH_HELO, PH_ETRN, PH_DEFERRED, PH_END };

void work_end(struct access_run *r)
{
	struct work *w = &r->work;

	if (w->used & WORK_RESOLVE)
		resolve_end(&w->resolve);
	if (w->used & WORK_MAPS)
		maps_end(&w->maps);
	if (w->used & WORK_MATCH)
		match_end(&w->match);
	if (w->used & WORK_DNS)
		dns_end(&w->dns);
	if (w->used & WORK_HOST)
		host_end(&w->host);
	if (w->used & WORK_TIMER)
		timer_end(&w->timer);
	w->used = 0;
	w->phase = 0;
	w->pos = w->sub = w->server = 0;
	w->soft = false;
	w->cursor = NULL;
	buf_reset(&w->key);
	buf_reset(&w->text);
}

void run_push(struct access_run *r, const struct list *list, struct list *owned)
{
	struct frame *f;

	if (r->depth == r->frame_cap) {
		r->frame_cap = r->frame_cap == 0 ? 4 : r->frame_cap * 2;
		r->frame = xreallocarray(r->frame, r->frame_cap, sizeof(*r->frame));
	}
	f = &r->frame[r->depth++];
	*f = (struct frame){ .list = list, .owned = owned, .outer_name = r->reply_name, .outer_class = r->reply_class };
}

static void frame_pop(struct access_run *r)
{
	struct frame *f = &r->frame[--r->depth];

	list_free(&f->owned);
	r->reply_name = f->outer_name;
	r->reply_class = f->outer_class;
	if (r->warn_level >= r->depth + 1)	/* a list that ends in warn_if_reject */
		r->warn_level = 0;
}

/* The step at the top's counter has its verdict. True: this list is over, with *v. */
static bool step_done(struct access_run *r, enum verdict *v)
{
	struct frame *f = &r->frame[r->depth - 1];
	const struct step *st = &f->list->step[f->pc];

	if (st->check->after != NULL && *v != V_REJECT && *v != V_HANGUP)
		*v = st->check->after(r, st, *v);
	work_end(r);
	f->pc++;
	f->entered = f->suspicious = false;
	if (r->warn_level >= r->depth)
		r->warn_level = 0;
	return *v != V_DUNNO || (r->memory->defer_if_permit.active && r->defer_if_reject.active);
}

static enum verdict lists_run(struct access_run *r)
{
	for (;;) {
		struct frame *f = &r->frame[r->depth - 1];
		enum verdict v = V_DUNNO;
		bool over = true;

		if (f->pc < f->list->n && (f->entered || !r->memory->discard)) {
			const struct step *st = &f->list->step[f->pc];

			if (st->check->judge == NULL) {		/* warn_if_reject */
				if (r->warn_level == 0)
					r->warn_level = r->depth;
				f->pc++;
				continue;
			}
			f->entered = true;
			v = st->check->judge(r, st);
			if (v == V_WAIT)
				return V_WAIT;
			if (v == V_NESTED) {
				work_end(r);		/* the class's own steps look up anew */
				continue;
			}
			over = step_done(r, &v);
		}
		while (over) {
			frame_pop(r);
			if (r->depth == 0)
				return v;
			over = step_done(r, &v);
		}
	}
}

/* ---- phases ----------------------------------------------------------------------------------- */
static void begin(
    struct access_run *r, enum stage stage, const char *name, const char *cls, const char *acl, bool deferred)
{
	const struct list *l = r->lists->list[stage];

	r->reply_name = name;
	r->reply_class = cls;
	r->default_acl = acl;
	r->memory->defer_if_permit.active = deferred;
	if (stage != STAGE_RELAY && stage != STAGE_RECIPIENT) {
		r->warn_level = 0;
		r->defer_if_reject.active = false;
	}
	if (l != NULL && l->n > 0)
		run_push(r, l, NULL);
}

/* Sets up what the phase looks at. False: nothing to do in it. */
static bool phase_enter(struct access_run *r, enum phase ph)
{
	const struct access_facts *f = r->facts;
	struct access_memory *m = r->memory;

	switch (ph) {
	case PH_CLIENT:
		begin(r, STAGE_CLIENT, f->client, class_client, "check_client_access", false);
		return true;
	case PH_HELO:
		if (f->helo == NULL)
			return false;
		begin(r, STAGE_HELO, f->helo, class_helo, "check_helo_access", m->deferred_client);
		return true;
	case PH_SENDER:
		if (f->sender == NULL)
			return false;
		m->sender_checked = false;
		begin(r, STAGE_SENDER, f->sender, class_sender, "check_sender_access",
		    m->deferred_client || m->deferred_helo);
		return true;
	case PH_SENDER_LISTED:
		return r->lists->unlisted_sender && f->sender != NULL && *f->sender != '\0' && !m->sender_checked &&
		    !m->discard;
	case PH_RELAY:
	case PH_RECIPIENT:
		if (r->phase[-1] != PH_RELAY && r->phase[-1] != PH_RECIPIENT) {		/* the first of the two */
			r->warn_level = 0;
			r->defer_if_reject.active = false;
			m->defer_if_permit.active = m->deferred_sender;
		}
		begin(r, ph == PH_RELAY ? STAGE_RELAY : STAGE_RECIPIENT, f->recipient, class_recipient,
		    "check_recipient_access", m->defer_if_permit.active);
		return true;
	case PH_RCPT_LISTED:
		return r->lists->unlisted_rcpt && !m->rcpt_checked && !m->discard;
	case PH_DATA:
		begin(r, STAGE_DATA, "DATA", class_data, NULL, false);
		return true;
	case PH_EOD:
		begin(r, STAGE_EOD, "END-OF-MESSAGE", class_eod, NULL, false);
		return true;
	case PH_ETRN:
		begin(r, STAGE_ETRN, f->etrn_name, class_etrn, "check_etrn_access",
		    m->deferred_client || m->deferred_helo);
		return true;
	case PH_DEFERRED:
		return m->defer_if_permit.active;
	case PH_ASK_SENDER:
	case PH_ASK_RCPT:
		return true;
	case PH_END:
		break;
	}
	return false;
}

static enum verdict phase_run(struct access_run *r, enum phase ph)
{
	switch (ph) {
	case PH_SENDER_LISTED:
	case PH_ASK_SENDER:
		return unlisted_judge(r, true);
	case PH_RCPT_LISTED:
	case PH_ASK_RCPT:
		return unlisted_judge(r, false);
	case PH_DEFERRED:
		return run_forced(r, &r->memory->defer_if_permit);
	default:
		return r->depth > 0 ? lists_run(r) : V_DUNNO;
	}
}

static void phase_leave(struct access_run *r, enum phase ph)
{
	struct access_memory *m = r->memory;

	while (r->depth > 0)
		frame_pop(r);
	work_end(r);
	switch (ph) {
	case PH_CLIENT:
		m->deferred_client = m->defer_if_permit.active;
		break;
	case PH_HELO:
		m->deferred_helo = m->defer_if_permit.active;
		break;
	case PH_SENDER:
		m->deferred_sender = m->defer_if_permit.active;
		break;
	default:
		break;
	}
}

static void run_go(struct access_run *r)
{
	struct access_op *op = r->op;

	while (op->verdict == ACCESS_WAIT) {
		enum phase ph;
		enum verdict v;

		if (*r->phase == PH_END) {
			op->verdict = ACCESS_PASS;
			break;
		}
		ph = (enum phase)*r->phase;
		if (!r->phase_entered && !phase_enter(r, ph)) {
			r->phase++;
			continue;
		}
		r->phase_entered = true;
		v = phase_run(r, ph);
		if (v == V_WAIT)
			return;
		phase_leave(r, ph);
		r->phase_entered = false;
		r->phase++;
		if (v == V_REJECT) {
			op->verdict = ACCESS_REJECT;
			op->reply = r->reply.p;
		} else if (v == V_HANGUP) {
			op->verdict = ACCESS_HANGUP;
		}
	}
}

/* ---- the operation ----------------------------------------------------------------------------- */
static const unsigned char *plan_of(const struct access_lists *l, enum access_request what)
{
	switch (what) {
	case ACCESS_CONNECT:
		return l->delay_reject ? NULL : plan_connect;
	case ACCESS_HELO:
		return l->delay_reject ? NULL : plan_helo;
	case ACCESS_MAIL:
		return l->delay_reject ? NULL : plan_mail;
	case ACCESS_RCPT:
		return plan_rcpt[l->relay_first] + (l->delay_reject ? 0 : 4);
	case ACCESS_DATA:
		return plan_data;
	case ACCESS_EOD:
		return plan_eod;
	case ACCESS_ETRN:
		return plan_etrn + (l->delay_reject ? 0 : 2);
	}
	return NULL;
}

/* Nothing to ask: the usual case at DATA and end-of-data; costs no memory. */
static bool trivial(const struct access_lists *l, enum access_request what, struct access_memory *m)
{
	enum stage s = what == ACCESS_DATA ? STAGE_DATA : STAGE_EOD;

	if (what != ACCESS_DATA && what != ACCESS_EOD)
		return false;
	m->defer_if_permit.active = false;
	return l->list[s] == NULL || l->list[s]->n == 0;
}

static struct access_run *run_new(
    struct access_op *op, struct task *t, const struct access_lists *l, const struct access_facts *f)
{
	struct access_run *r = xcalloc(1, sizeof(*r));

	r->task = t;
	r->lists = l;
	r->facts = f;
	r->op = op;
	r->recipient = f->recipient;
	return r;
}

void access_start(struct access_op *op, struct task *t, const struct access_lists *l, enum access_request what,
    const struct access_facts *f, struct access_memory *m, struct access_actions *actions)
{
	const unsigned char *plan = plan_of(l, what);

	ASSERT(op->run == NULL);
	*op = (struct access_op){ 0 };
	if (what == ACCESS_RCPT)
		m->rcpt_checked = false;
	/* RFC 5321 4.5.1: mail to "postmaster" without a domain is always accepted. */
	if (plan == NULL || trivial(l, what, m) || (what == ACCESS_RCPT && str_ieq(f->recipient, "postmaster"))) {
		op->verdict = ACCESS_PASS;
		return;
	}
	op->run = run_new(op, t, l, f);
	op->run->memory = m;
	op->run->actions = actions;
	op->run->phase = plan;
	if ((what == ACCESS_DATA || what == ACCESS_EOD) && f->rcpt_count > 1)
		op->run->recipient = NULL;	/* about all of them alike */
	run_go(op->run);
}

void access_listed_start(struct access_op *op, struct task *t, const struct access_lists *l,
    const struct access_facts *f, struct access_memory *m, bool sender)
{
	ASSERT(op->run == NULL);
	*op = (struct access_op){ 0 };
	op->run = run_new(op, t, l, f);
	op->run->memory = m;
	op->run->quiet = true;
	op->run->phase = sender ? plan_ask_sender : plan_ask_rcpt;
	op->run->reply_name = sender ? f->sender : f->recipient;
	op->run->reply_class = sender ? class_sender : class_recipient;
	run_go(op->run);
}

enum access_verdict access_poll(struct access_op *op)
{
	ASSERT(op->run != NULL || op->verdict != ACCESS_WAIT);
	if (op->verdict == ACCESS_WAIT)
		run_go(op->run);
	return op->verdict;
}

void access_end(struct access_op *op)
{
	struct access_run *r = op->run;

	if (r != NULL) {
		while (r->depth > 0)
			list_free(&r->frame[--r->depth].owned);
		work_end(r);
		buf_release(&r->work.key);
		buf_release(&r->work.text);
		buf_release(&r->reply);
		defer_release(&r->defer_if_reject);
		free(r->frame);
		free(r);
	}
	*op = (struct access_op){ 0 };
}

/* ---- local_header_rewrite_clients ---------------------------------------------------------------- */
/* Not a restriction list: DEFER and REJECT make no sense here, so only these few words are known. */
static enum access_rewrite rewrite_failed(struct access_run *r, const char *text)
{
	struct access_facts f = *r->facts;

	f.sender = NULL;	/* not taken yet, says Postfix's log */
	access_log(&f, "reject", text);
	buf_reset(&r->reply);
	buf_adds(&r->reply, text);
	r->op->reply = r->reply.p;
	return ACCESS_REWRITE_ERROR;
}

static enum verdict rewrite_word(struct access_run *r, size_t i)
{
	static const struct step none;
	const char *word = r->lists->rewrite_words.v[i];

	if (r->lists->rewrite_maps[i] != NULL) {
		switch (run_find_key(r, r->lists->rewrite_maps[i], r->facts->client_addr)) {
		case FOUND_WAIT:
			return V_WAIT;
		case FOUND:
			return V_OK;
		case FOUND_NONE:
			return V_DUNNO;
		case FOUND_ERROR:
			return V_REJECT;
		}
	}
	if (str_ieq(word, "permit_inet_interfaces"))
		return inet_interfaces_judge(r, &none);
	if (str_ieq(word, "permit_mynetworks"))
		return mynetworks_judge(r, &none);
	if (str_ieq(word, "permit_sasl_authenticated"))
		return sasl_judge(r, &none);
	if (str_ieq(word, "permit_tls_all_clientcerts") || str_ieq(word, "permit_tls_clientcerts"))
		return tls_cert_judge(r, &none);
	if (!str_ieq(word, "check_address_map"))
		log_warn(r->facts->log, "parameter local_header_rewrite_clients: invalid request: %s", word);
	return V_DUNNO;
}

void access_rewrite_start(
    struct access_op *op, struct task *t, const struct access_lists *l, const struct access_facts *f)
{
	static struct access_memory scratch;	/* nothing is kept from here */

	ASSERT(op->run == NULL);
	*op = (struct access_op){ 0 };
	op->run = run_new(op, t, l, f);
	op->run->memory = &scratch;
	op->run->quiet = true;
	op->run->reply_name = f->client;
	op->run->reply_class = class_client;
}

enum access_rewrite access_rewrite_poll(struct access_op *op)
{
	struct access_run *r = op->run;
	size_t *i = &r->word;

	for (; *i < r->lists->rewrite_words.n; (*i)++) {
		enum verdict v = rewrite_word(r, *i);

		if (v == V_WAIT)
			return ACCESS_REWRITE_WAIT;
		work_end(r);
		if (v == V_OK)
			return ACCESS_REWRITE_LOCAL;
		if (v == V_REJECT)
			return rewrite_failed(r, "451 4.3.0 Temporary lookup error");
	}
	return ACCESS_REWRITE_REMOTE;
}
