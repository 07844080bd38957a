/* bounce.c - who gets a notice: the sender as NOTIFY asks, postmaster as notify_classes ask, nobody else.
 *
 *	message from	failure				delay			success, verify
 *	a sender	sender; class bounce: copy	sender; class delay: copy	sender
 *	<>		class 2bounce: postmaster	-			-
 *	double-bounce	- (a warning)			-			-
 *
 * Notices to senders come from <>, those to postmasters from double_bounce_sender; so the chain ends with the
 * third. The change that belongs to the notice commits with the first message queued; a postmaster's copy that fails
 * is only warned about. Where the change would delete content that a copy still has to read, the copy goes first.
 *
 * Mail with VERP is returned once per recipient, to the sender that tells who it was (unless disable_verp_bounces):
 * each notice commits together with the removal of its recipient's row, the change comes last. */
#include "bounce_int.h"
#include <postrider/address.h>
#include <postrider/loop.h>
#include <postrider/service.h>
#include <ctype.h>
#include <stdlib.h>

struct bounce {
	struct bounce_conf *conf;
	struct bounce_request req;
	const struct bounce_request *now;	/* what the notice under way is about: req, or one of it */
	struct notice_to to[2];
	unsigned	 nto, i;		/* how many, which is under way */
	bool		 critical[2];
	struct notice	 notice;
	bool		 writing;		/* notice is under way */
	struct store_txn *joined;
	struct store_op	 commit;		/* joined alone */
	bool		 committing;
	struct log_ctx	 log;
	/* VERP */
	bool		 verp, walking;
	struct walk	 walk;
	struct bounce_request one_req;
	const struct rcpt *one;
	struct buf	 sender;		/* for this recipient */
	struct store_txn *removal;		/* of its row */
};

/* ---- configuration ----------------------------------------------------------------------------- */
static char *dashes(const char *name)
{
	char *s = xstrdup(name);

	for (char *p = s; *p != '\0'; p++)
		if (isspace((unsigned char)*p))
			*p = '-';
	return s;
}

static unsigned notify_classes(const struct view *v, struct problems *problems)
{
	static const struct { const char *name; unsigned bit; } class[] = {
		{ "bounce", CLASS_BOUNCE }, { "2bounce", CLASS_2BOUNCE }, { "delay", CLASS_DELAY },
		/* transcripts of sessions: smtpd's and smtp's */
		{ "policy", 0 }, { "protocol", 0 }, { "resource", 0 }, { "software", 0 }, { "data", 0 },
	};
	struct strs names = { 0 };
	unsigned bits = 0;

	strs_split(&names, view_str(v, notify_classes), ", \t\r\n");
	for (size_t i = 0; i < names.n; i++) {
		size_t k = 0;

		while (k < NELEM(class) && !str_ieq(names.v[i], class[k].name))
			k++;
		if (k == NELEM(class))
			problem_add(problems, PROBLEM_FATAL, NULL, 0, "unknown notify_classes value \"%s\" in \"%s\"",
				    names.v[i], view_str(v, notify_classes));
		else
			bits |= class[k].bit;
	}
	strs_release(&names);
	return bits;
}

static void conf_free(struct bounce_conf *c)
{
	free(c->log_name);
	free(c->myhostname);
	free(c->mail_name);
	free(c->x_name);
	free(c->double_bounce);
	free(c->bounce_rcpt);
	free(c->bounce2_rcpt);
	free(c->delay_rcpt);
	templates_release(&c->templates);
	free(c);
}

void bounce_conf_unref(struct bounce_conf **cp)
{
	struct bounce_conf *c = *cp;

	*cp = NULL;
	if (c != NULL && --c->refs == 0)
		conf_free(c);
}

static void *conf_compile(struct generation *g, struct problems *problems)
{
	const struct view *v = generation_view(g);
	struct bounce_conf *c = xcalloc(1, sizeof(*c));

	c->refs = 1;
	c->log_name = xasprintf("%s/bounce", view_str(v, syslog_name));
	c->myhostname = xstrdup(view_str(v, myhostname));
	c->mail_name = xstrdup(view_str(v, mail_name));
	c->x_name = dashes(c->mail_name);
	c->double_bounce = strchr(view_str(v, double_bounce_sender), '@') != NULL
			       ? xstrdup(view_str(v, double_bounce_sender))
			       : xasprintf("%s@%s", view_str(v, double_bounce_sender), c->myhostname);
	c->bounce_rcpt = xstrdup(view_str(v, bounce_notice_recipient));
	c->bounce2_rcpt = xstrdup(view_str(v, 2bounce_notice_recipient));
	c->delay_rcpt = xstrdup(view_str(v, delay_notice_recipient));
	c->classes = notify_classes(v, problems);
	c->size_limit = view_int(v, bounce_size_limit);
	c->max_lifetime_s = view_secs(v, maximal_queue_lifetime);
	c->utf8 = view_bool(v, smtputf8_enable);
	c->verp_off = view_bool(v, disable_verp_bounces);
	templates_builtin(&c->templates, v);
	if (*view_str(v, bounce_template_file) != '\0')
		templates_load(&c->templates, view_str(v, bounce_template_file), problems);
	templates_expand(&c->templates, v, problems);
	return c;
}

static void conf_release(void *state)
{
	struct bounce_conf *c = state;

	bounce_conf_unref(&c);
}

static struct generation_hook hook = { .name = "bounce", .compile = conf_compile, .leave = conf_release };

void bounce_init(void)
{
	generation_hook_register(&hook);
}

/* ---- who ------------------------------------------------------------------------------------------ */
static struct notice_to *add_to(struct bounce *b, bool critical)
{
	b->critical[b->nto] = critical;
	return &b->to[b->nto++];
}

static void add_sender(struct bounce *b, unsigned notify, bool full, const char *what)
{
	const char *to = b->verp ? buf_str(&b->sender) : b->req.msg->sender;

	*add_to(b, true) = (struct notice_to){.from = "", .to = to, .notify = notify, .full = full, .what = what};
}

static void add_postmaster(struct bounce *b, const char *to, bool critical, bool full, const char *what)
{
	*add_to(b, critical) = (struct notice_to){
	    .from = b->conf->double_bounce, .to = to, .postmaster = true, .full = full, .what = what};
}

static void warn_zero(struct bounce *b)
{
	const struct template *t = &b->conf->templates.t[BOUNCE_DELAY];

	if (t->zero == NULL)
		return;
	log_warn(&b->log, "%s: zero result in %s template conversion of parameter \"%s_%s\"", t->origin, t->name,
		 t->zero, t->zero_unit);
	log_warn(&b->log, "please reduce time unit \"%s\" of \"%s_%s\" in %s template", t->zero_unit, t->zero,
		 t->zero_unit, t->name);
	log_warn(&b->log, "for instructions see the bounce(5) manual");
}

static void plan(struct bounce *b)
{
	const struct message *m = b->req.msg;
	const struct bounce_conf *c = b->conf;
	bool null = *m->sender == '\0', twice = str_ieq(m->sender, c->double_bounce);

	if (twice && b->req.kind == BOUNCE_FAILURE) {
		log_warn(&b->log, "%s: undeliverable postmaster notification discarded", m->name);
		return;
	}
	if (twice || (m->flags & MSG_NO_BOUNCE) != 0 || (null && b->req.kind != BOUNCE_FAILURE))
		return;
	switch (b->req.kind) {
	case BOUNCE_FAILURE:
		if (null) {
			if ((c->classes & CLASS_2BOUNCE) != 0)
				add_postmaster(b, c->bounce2_rcpt, true, true, "postmaster non-delivery notification");
			break;
		}
		add_sender(b, DSN_FAILURE, m->dsn_ret != DSN_RET_HDRS, "sender non-delivery notification");
		if ((c->classes & CLASS_BOUNCE) != 0)
			add_postmaster(b, c->bounce_rcpt, false, false, "postmaster non-delivery notification");
		break;
	case BOUNCE_DELAY:
		warn_zero(b);
		add_sender(b, DSN_DELAY, false, "sender delay notification");
		if ((c->classes & CLASS_DELAY) != 0)
			add_postmaster(b, c->delay_rcpt, false, false, "postmaster delay notification");
		break;
	case BOUNCE_SUCCESS:
	case BOUNCE_VERIFY:
		add_sender(b, 0, false, "sender delivery status notification");
		break;
	}
	/* The change may take the rows and the content away that the copy is made of. */
	if (b->nto == 2 && !b->verp && (b->req.rcpt == NULL || m->content == NULL)) {
		struct notice_to t = b->to[0];

		b->to[0] = b->to[1];
		b->to[1] = t;
		b->critical[0] = false;
		b->critical[1] = true;
	}
}

/* ---- VERP ----------------------------------------------------------------------------------------- */
static bool each_alone(const struct bounce *b)
{
	const struct message *m = b->req.msg;

	return m->verp != NULL && !b->conf->verp_off && b->req.kind == BOUNCE_FAILURE && *m->sender != '\0' &&
	       !str_ieq(m->sender, b->conf->double_bounce) && (m->flags & MSG_NO_BOUNCE) == 0;
}

/* The notices about the next recipient, or none any more. */
static enum walk_result verp_step(struct bounce *b)
{
	const struct rcpt *r;
	enum walk_result w;

	/* It wanted no notice: its row goes with the change. */
	if (b->removal != NULL && b->one != NULL && b->req.settle && b->joined != NULL)
		store_txn_rcpt_done(b->joined, b->req.msg->id, b->one->n);
	b->one = NULL;
	w = walk_next(&b->walk, &r);
	if (w == WALK_END) {
		walk_end(&b->walk);
		b->walking = false;
	}
	if (w != WALK_RCPT)
		return w;
	b->one = r;
	b->one_req.rcpt = &b->one;
	b->one_req.nrcpt = 1;
	buf_reset(&b->sender);
	address_verp(&b->sender, b->req.msg->verp, b->req.msg->sender,
		     r->orig != NULL && *r->orig != '\0' ? r->orig : r->addr);
	b->nto = b->i = 0;
	plan(b);
	store_txn_free(&b->removal);
	b->removal = store_txn_new();
	store_txn_rcpt_done(b->removal, b->req.msg->id, r->n);
	return w;
}

/* ---- the operation -------------------------------------------------------------------------------- */
static bool carries_joined(const struct bounce *b)
{
	/* A copy takes the change along when the notice before it turned out to be for nobody. */
	return b->joined != NULL && (b->critical[b->i] || b->i > 0);
}

static struct store_txn **carried(struct bounce *b)
{
	if (b->verp)
		return b->critical[b->i] ? &b->removal : NULL;
	return carries_joined(b) ? &b->joined : NULL;
}

static void bounce_next(struct bounce_op *op)
{
	struct bounce *b = op->priv;

	if (b->i < b->nto) {
		notice_start(&b->notice, op->task, b->conf, b->now, &b->to[b->i], carried(b));
		b->writing = true;
	} else if (b->walking) {
		return;			/* the next recipient */
	} else if (b->joined != NULL) {
		store_commit_start(&b->commit, op->task, &b->joined);
		b->committing = true;
	} else {
		op->result = BOUNCE_DONE;
	}
}

void bounce_start(struct bounce_op *op, struct task *task, const struct bounce_request *req, struct store_txn **joined)
{
	struct bounce *b = xcalloc(1, sizeof(*b));

	ASSERT(!op->active);
	*op = (struct bounce_op){ .task = task, .priv = b, .active = true };
	b->conf = generation_state(generation_current(), &hook);
	b->conf->refs++;
	b->log = (struct log_ctx){ .name = b->conf->log_name, .number = log_number() };
	b->req = *req;
	message_ref(b->req.msg);
	if (joined != NULL) {
		b->joined = *joined;
		*joined = NULL;
	}
	b->now = &b->req;
	if ((b->verp = each_alone(b))) {
		b->one_req = b->req;
		b->one_req.settle = false;
		b->now = &b->one_req;
		walk_start(&b->walk, task, &b->req);
		b->walking = true;
		return;
	}
	plan(b);
	/* With nobody to tell, the rows still have to go: the walk does it. */
	if (b->nto == 0 && req->rcpt == NULL && req->settle)
		*add_to(b, true) = (struct notice_to){ .from = "", .to = "", .notify = ~0u << 8, .what = "" };
	bounce_next(op);
}

enum bounce_result bounce_poll(struct bounce_op *op)
{
	struct bounce *b = op->priv;

	ASSERT(op->active);
	while (op->result == BOUNCE_WAIT) {
		enum notice_result r;

		if (b->walking && !b->writing) {
			enum walk_result w = verp_step(b);

			if (w == WALK_WAIT)
				return BOUNCE_WAIT;
			if (w == WALK_FAILED) {
				op->result = BOUNCE_RETRY;
				break;
			}
			bounce_next(op);
			continue;
		}
		if (b->committing) {
			switch (store_commit_poll(&b->commit)) {
			case STORE_WAIT:
				return BOUNCE_WAIT;
			case STORE_OK:
			case STORE_NONE:
				op->result = BOUNCE_DONE;
				break;
			default:
				op->result = BOUNCE_RETRY;
			}
			break;
		}
		if ((r = notice_poll(&b->notice)) == NOTICE_WAIT)
			return BOUNCE_WAIT;
		if (r == NOTICE_QUEUED)
			log_info(&b->log, "%s: %s: %s", b->req.msg->name, b->to[b->i].what, b->notice.id);
		if (r == NOTICE_FAILED && b->critical[b->i]) {
			op->result = BOUNCE_RETRY;
			break;
		}
		if (r == NOTICE_FAILED)
			log_warn(&b->log, "%s: %s to %s failed", b->req.msg->name, b->to[b->i].what, b->to[b->i].to);
		notice_end(&b->notice);
		b->writing = false;
		b->i++;
		bounce_next(op);
	}
	return op->result;
}

void bounce_end(struct bounce_op *op)
{
	struct bounce *b = op->priv;

	if (!op->active)
		return;
	if (b->writing)
		notice_end(&b->notice);
	if (b->committing)
		store_commit_end(&b->commit);
	if (b->walking)
		walk_end(&b->walk);
	buf_release(&b->sender);
	store_txn_free(&b->removal);
	store_txn_free(&b->joined);
	bounce_conf_unref(&b->conf);
	message_unref(&b->req.msg);
	free(b);
	*op = (struct bounce_op){ 0 };
}
