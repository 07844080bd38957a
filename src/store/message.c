/* message.c - messages and their content in memory.
 * Reference counts and the account of content are the loop's: the writer and reader threads only look at what
 * they were handed (the writer), or make messages nobody else sees yet (the readers). */
#include "store_int.h"

struct message *message_new(queue_id_t id, bool long_form)
{
	struct message *m = xcalloc(1, sizeof(*m));

	m->refs = 1;
	m->id = id;
	m->queue = QUEUE_ACTIVE;
	queue_id_print(m->name, id, long_form);
	return m;
}

struct message *message_ref(struct message *m)
{
	m->refs++;
	return m;
}

void message_destroy(struct message *m)
{
	strs_release(&m->extra);
	free(m->rcpt);
	arena_release(&m->arena);
	free(m);
}

void message_unref(struct message **mp)
{
	struct message *m = *mp;

	*mp = NULL;
	if (m == NULL || --m->refs > 0)
		return;
	content_unref(&m->content);
	arena_release(&m->later);
	if (m->read)
		trash_add(m);
	else
		message_destroy(m);
}

struct arena *message_arena(struct message *m)
{
	return m->read ? &m->later : &m->arena;
}

struct rcpt *message_add_rcpt(struct message *m)
{
	struct rcpt *r;

	if (m->nrcpt == m->rcpt_cap) {
		m->rcpt_cap = m->rcpt_cap != 0 ? m->rcpt_cap * 2 : 1;
		m->rcpt = xreallocarray(m->rcpt, m->rcpt_cap, sizeof(*m->rcpt));
	}
	r = &m->rcpt[m->nrcpt];
	*r = (struct rcpt){ .n = m->nrcpt };
	m->nrcpt++;
	return r;
}

struct content *content_new(void)
{
	struct content *c = xcalloc(1, sizeof(*c));

	c->refs = 1;
	return c;
}

struct content *content_ref(struct content *c)
{
	c->refs++;
	return c;
}

void content_unref(struct content **cp)
{
	struct content *c = *cp;
	struct chunk *ch;

	*cp = NULL;
	if (c == NULL || --c->refs > 0)
		return;
	while ((ch = c->body) != NULL) {
		c->body = ch->next;
		free(ch);
	}
	store.content_memory -= (int64_t)c->counted;
	free(c->header);
	free(c);
}

static void content_count(struct content *c, size_t more)
{
	c->counted += more;
	store.content_memory += (int64_t)more;
}

void content_append(struct content *c, const void *p, size_t n)
{
	struct chunk *t;
	size_t part;

	c->body_len += (int64_t)n;
	while (n > 0) {
		t = c->body_tail;
		if (t == NULL || t->len == STORE_CHUNK) {
			t = xmalloc(sizeof(*t));
			t->next = NULL;
			t->len = 0;
			if (c->body_tail != NULL)
				c->body_tail->next = t;
			else
				c->body = t;
			c->body_tail = t;
			content_count(c, sizeof(*t));
		}
		part = MIN(n, STORE_CHUNK - t->len);
		memcpy(t->data + t->len, p, part);
		t->len += (uint32_t)part;
		p = (const char *)p + part;
		n -= part;
	}
}

struct chunk *content_take_chunk(struct content *c)
{
	struct chunk *ch = c->body;

	if (ch == NULL)
		return NULL;
	c->body = ch->next;
	if (c->body == NULL)
		c->body_tail = NULL;
	c->body_len -= ch->len;
	c->counted -= sizeof(*ch);
	store.content_memory -= (int64_t)sizeof(*ch);
	ch->next = NULL;
	return ch;
}

/* No more will be appended: gives back what the last chunk does not use. Most messages are
 * smaller than a chunk, and many of them wait in memory at once. */
void content_settle(struct content *c)
{
	struct chunk *t = c->body_tail;
	size_t need;

	if (c->settled)
		return;
	c->settled = true;
	content_count(c, c->header_len);
	if (t == NULL || t != c->body)
		return;
	need = offsetof(struct chunk, data) + t->len;
	c->body = c->body_tail = xrealloc(t, MAX(need, sizeof(void *) * 2));
	c->counted -= sizeof(*t) - need;
	store.content_memory -= (int64_t)(sizeof(*t) - need);
}

int64_t content_memory(void)
{
	return store.content_memory;
}

bool content_over_budget(void)
{
	return store.memory_limit > 0 && store.content_memory >= store.memory_limit;
}
