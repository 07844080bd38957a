/* idmap.c - hash of 64-bit keys, chained through nodes that live in what is found. */
#include "qmgr_int.h"
#include <stdlib.h>

static size_t place(const struct idmap *m, uint64_t key)
{
	return (size_t)((key * 0x9e3779b97f4a7c15u) >> 32) & (m->cap - 1);
}

static void grow(struct idmap *m)
{
	struct idmap old = *m;

	m->cap = old.cap != 0 ? old.cap * 2 : 64;
	m->bucket = xcalloc(m->cap, sizeof(*m->bucket));
	for (size_t i = 0; i < old.cap; i++) {
		struct idnode *next;

		for (struct idnode *n = old.bucket[i]; n != NULL; n = next) {
			struct idnode **b = &m->bucket[place(m, n->key)];

			next = n->next;
			n->next = *b;
			*b = n;
		}
	}
	free(old.bucket);
}

void idmap_add(struct idmap *m, struct idnode *n, uint64_t key)
{
	struct idnode **b;

	if (m->n >= m->cap)
		grow(m);
	b = &m->bucket[place(m, key)];
	n->key = key;
	n->next = *b;
	*b = n;
	m->n++;
}

void idmap_del(struct idmap *m, struct idnode *n)
{
	struct idnode **p = &m->bucket[place(m, n->key)];

	while (*p != n)
		p = &(*p)->next;
	*p = n->next;
	n->next = NULL;
	m->n--;
}

struct idnode *idmap_first(const struct idmap *m, uint64_t key)
{
	struct idnode *n;

	if (m->cap == 0)
		return NULL;
	for (n = m->bucket[place(m, key)]; n != NULL && n->key != key; n = n->next)
		;
	return n;
}

struct idnode *idmap_next(const struct idnode *n)
{
	struct idnode *o;

	for (o = n->next; o != NULL && o->key != n->key; o = o->next)
		;
	return o;
}

struct idnode *idmap_any(const struct idmap *m)
{
	for (size_t i = 0; i < m->cap; i++)
		if (m->bucket[i] != NULL)
			return m->bucket[i];
	return NULL;
}

void idmap_release(struct idmap *m)
{
	free(m->bucket);
	*m = (struct idmap){ 0 };
}
