/* client.c - tables that ask a server: from the loop to the workers of their source and back.
 * A lookup first asks the list `domain`, if there is one, and whether the key has what the query needs; then the
 * question is put (client_question.c). A source is shared by the tables of one set that differ in nothing but flags;
 * it outlives them while jobs are under way. Its class and timer are the loop's: made with the first lookup, given up
 * there by the last table. */
#include <errno.h>
#include <unistd.h>
#include <postrider/log.h>

#include "client.h"

enum { QUEUE_MAX = 10000 };

struct wait {			/* op->state */
	struct match_op	 domain;
	struct question_op question;
	char		*key;		/* while the domain is being asked */
};

/* ---- a source's life ------------------------------------------------------------------------------------------- */

static void backend_free(void *p)
{
	struct backend *b = p;

	pool_close(b);
	if (b->table != NULL && b->client->close != NULL)
		b->client->close(b->table);
	for (size_t i = 0; i < b->n_fd; i++)
		close(b->fd[i]);
	free(b->fd);
	free(b->host);
	free(b->name);
	free(b->label);
	free(b->digest);
	arena_release(&b->strings);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

void backend_unref(struct backend *b)
{
	if (atomic_fetch_sub(&b->refs, 1) == 1)
		dispose(backend_free, b);
}

static struct backend *backend_new(const struct table_client *client)
{
	struct backend *b = xcalloc(1, sizeof(*b));

	b->client = client;
	TAILQ_INIT(&b->idle);
	TAILQ_INIT(&b->answers);
	ASSERT(pthread_mutex_init(&b->lock, NULL) == 0);
	atomic_init(&b->users, 1);
	atomic_init(&b->refs, 1);
	return b;
}

/* Another table of the set with the same source. */
static struct backend *shared(const struct table_env *env, const struct backend *mine)
{
	const char *key;
	void *value;

	for (size_t pos = 0; hash_next(&env->set->by_spec, &pos, &key, &value); ) {
		const struct table *t = value;
		struct backend *b;

		if (t->data == NULL || t->data->contents == NULL || t->data->class->open != client_open ||
		    strcmp(t->spec, env->spec) != 0)
			continue;
		b = t->data->contents;
		if (b->client == mine->client && strcmp(b->digest, mine->digest) == 0)
			return b;
	}
	return NULL;
}

void *client_open(struct table_env *env, const char *name, char **why_r)
{
	char *type = xstrndup(env->spec, strcspn(env->spec, ":"));
	const struct table_client *client = client_find(type, why_r);
	struct backend *b, *other;

	free(type);
	if (client == NULL)
		return NULL;
	env->no_utf8 = false;
	b = backend_new(client);
	*why_r = backend_setup(b, env, name);
	other = *why_r == NULL ? shared(env, b) : NULL;
	if (other != NULL) {
		atomic_fetch_add(&other->users, 1);
		atomic_fetch_add(&other->refs, 1);
	}
	if (*why_r == NULL && other == NULL)
		return b;
	backend_free(b);
	return other;
}

static void retire(struct backend *b)
{
	if (b->class != NULL) {
		questions_drop(b);
		timer_end(&b->timer);
		job_end(&b->sweep);
		task_unlink(&b->task);
		worker_class_free(&b->class);
	}
	backend_unref(b);
}

static void retire_posted(struct loop_msg *m)
{
	retire(CONTAINER_OF(m, struct backend, retired));
}

void client_close(void *contents)
{
	struct backend *b = contents;

	if (atomic_fetch_sub(&b->users, 1) > 1) {
		backend_unref(b);
	} else if (b->class == NULL || table_loop_thread()) {
		retire(b);
	} else {
		b->retired.fn = retire_posted;
		loop_post(&b->retired);
	}
}

/* ---- closing what is idle ---------------------------------------------------------------------------------- */

struct sweep { struct backend *backend; bool left; };

static void sweep_work(void *data)
{
	struct sweep *s = data;

	s->left = pool_sweep(s->backend);
}

static void sweep_free(void *data)
{
	struct sweep *s = data;

	backend_unref(s->backend);
	free(s);
}

static void sweep_run(struct task *task)
{
	struct backend *b = CONTAINER_OF(task, struct backend, task);
	struct sweep *s;
	bool left = true;

	if (b->sweeping) {
		enum job_result r = job_poll(&b->sweep);

		if (r == JOB_WAIT)
			return;
		if (r == JOB_DONE)
			left = ((struct sweep *)b->sweep.data)->left;
		job_end(&b->sweep);
		b->sweeping = false;
		if (left)
			timer_start(&b->timer, task, b->idle_us / 1000);
	} else if (timer_expired(&b->timer)) {
		timer_end(&b->timer);
		questions_forget(b);
		s = xcalloc(1, sizeof(*s));
		s->backend = b;
		atomic_fetch_add(&b->refs, 1);
		b->sweeping = true;
		job_start(&b->sweep, task, b->class, sweep_work, s, sweep_free, b->limit_ms);
		task_wake(task);
	}
}

void backend_used(struct backend *b)
{
	if (!b->sweeping && !timer_running(&b->timer))
		timer_start(&b->timer, &b->task, b->idle_us / 1000);
}

/* ---- lookups ------------------------------------------------------------------------------------------ */

static void say(struct table_op *op, const char *fmt, ...) PRINTF(2, 3);
static void say(struct table_op *op, const char *fmt, ...)
{
	va_list ap;

	buf_reset(&op->buf);
	va_start(ap, fmt);
	buf_vaddf(&op->buf, fmt, ap);
	va_end(ap);
	op->why = buf_str(&op->buf);
}

static enum table_result ask_start(struct backend *b, struct table_op *op, const char *key)
{
	struct wait *w = op->state;

	if (*key == '\0')
		say(op, "table \"%s\": empty query string -- ignored", b->label);
	if (!template_wants(&b->needs, key))
		return TABLE_NONE;
	if (b->class == NULL) {
		b->class = worker_class_new(b->client->type, b->threads, QUEUE_MAX);
		task_init(&b->task, "table-client", sweep_run);
	}
	question_start(&w->question, op->task, b, key);
	return question_poll(&w->question, op);
}

/* Has the domain list let the key pass? Else the answer. */
static bool domain_passes(struct backend *b, struct table_op *op, const char *key, enum match_result m,
    enum table_result *r)
{
	*r = m == MATCH_WAIT ? TABLE_WAIT : m == MATCH_ERROR ? TABLE_ERROR : TABLE_NONE;
	if (m == MATCH_ERROR && b->client->says_domain)
		say(op, "%s 'domain' pattern match failed for '%s'", b->label, key);
	return m == MATCH_YES;
}

/* The domain part for the list; NULL: none, or nothing before it. */
static const char *domain_of(const char *key)
{
	const char *at = strrchr(key, '@');

	return at != NULL && at > key ? at + 1 : NULL;
}

/* Where the caller may wait: commands without a loop, and threads that load. */
static enum table_result ask_now(struct backend *b, struct table_op *op, const char *key, const char *domain)
{
	enum table_result r;
	struct client_ask *a;

	if (b->domain != NULL) {
		struct match_op m = { 0 };
		bool passes;

		match_start(&m, op->task, NULL, b->domain, domain, NULL);
		passes = domain_passes(b, op, key, match_poll(&m), &r);
		match_end(&m);
		if (!passes)
			return r;
	}

	if (*key == '\0' || !template_wants(&b->needs, key))
		return TABLE_NONE;
	a = ask_new(b, key);
	pool_ask(a);
	buf_reset(&op->buf);
	buf_adds(&op->buf, buf_str(a->answer == TABLE_FOUND ? &a->result : &a->notes));
	if (a->answer == TABLE_FOUND)
		op->value = buf_str(&op->buf);
	else if (a->notes.len > 0)
		op->why = op->buf.p;
	op->err = a->err;
	r = a->answer;
	ask_free(a);
	return r;
}

enum table_result client_lookup(void *contents, struct table_op *op, const char *key)
{
	struct backend *b = contents;
	const char *domain = b->domain != NULL ? domain_of(key) : NULL;
	enum table_result r;
	struct wait *w;

	if (b->client->utf8_only && !str_is_utf8(key, strlen(key)))
		return TABLE_NONE;
	if (b->domain != NULL && domain == NULL)
		return TABLE_NONE;
	if (!table_on_loop())
		return ask_now(b, op, key, domain);
	w = op->state = xcalloc(1, sizeof(*w));
	if (b->domain != NULL) {
		match_start(&w->domain, op->task, NULL, b->domain, domain, NULL);
		if (!domain_passes(b, op, key, match_poll(&w->domain), &r)) {
			if (r == TABLE_WAIT)
				w->key = xstrdup(key);
			return r;
		}
	}
	return ask_start(b, op, key);
}

enum table_result client_poll(void *contents, struct table_op *op)
{
	struct backend *b = contents;
	struct wait *w = op->state;
	enum table_result r;

	if (w->question.question != NULL)
		return question_poll(&w->question, op);
	if (!domain_passes(b, op, w->key, match_poll(&w->domain), &r))
		return r;
	return ask_start(b, op, w->key);
}

void client_end(void *contents UNUSED, struct table_op *op)
{
	struct wait *w = op->state;

	if (w == NULL)
		return;
	match_end(&w->domain);
	question_end(&w->question);
	free(w->key);
	free(w);
}
