/* arena.c - bump allocation in blocks that grow with use. Big requests get a block of their
 * own behind the current one, so that they waste nothing of it. */
#include <stdio.h>
#include <stdlib.h>

#include <postrider/arena.h>

struct arena_block {
	struct arena_block	*next;
	size_t			 size, used;
	_Alignas(max_align_t) char data[];
};

enum { FIRST_BLOCK = 1024 - 64, MAX_BLOCK = 32 * 1024 - 64 };

static struct arena_block *block_new(size_t size)
{
	struct arena_block *b = xmalloc(sizeof(*b) + size);

	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->head;
	size_t room;
	void *p;

	ASSERT(n < SIZE_MAX / 2);
	n = (n + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
	if (b == NULL || b->size - b->used < n) {
		room = b == NULL ? FIRST_BLOCK : MIN(b->size * 2, (size_t)MAX_BLOCK);
		if (n > room / 2 && b != NULL) {	/* its own block; the current one stays current */
			struct arena_block *own = block_new(n);

			own->next = b->next;
			b->next = own;
			b = own;
		} else {
			b = block_new(MAX(n, room));
			b->next = a->head;
			a->head = b;
		}
	}
	p = b->data + b->used;
	b->used += n;
	a->used += n;
	return memset(p, 0, n);
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s != NULL ? arena_strndup(a, s, strlen(s)) : NULL;
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	size_t len = strnlen(s, n);
	char *p = arena_alloc(a, len + 1);

	memcpy(p, s, len);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	char small[256], *p;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	ASSERT(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	if ((size_t)n < sizeof(small)) {
		memcpy(p, small, (size_t)n);
	} else {
		va_start(ap, fmt);
		vsnprintf(p, (size_t)n + 1, fmt, ap);
		va_end(ap);
	}
	return p;
}

void arena_reset(struct arena *a)
{
	struct arena_block *b = a->head, *next;

	if (b == NULL)
		return;
	while (b->next != NULL) {	/* the last one is the first that was made */
		next = b->next;
		free(b);
		b = next;
	}
	b->used = 0;
	a->head = b;
	a->used = 0;
}

void arena_release(struct arena *a)
{
	struct arena_block *b = a->head, *next;

	for (; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	*a = (struct arena){ 0 };
}
