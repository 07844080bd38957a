/* hash.c - string table with open addressing and linear probing; a deleted slot keeps a
 * marker, so a walk may delete what it stands on. Keyed SipHash-1-3: peers choose many
 * of the keys (client addresses, domains) and must not be able to make them collide. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include <postrider/hash.h>

struct hash_slot {
	uint64_t hash;
	char	*key;		/* NULL: never used; gone: deleted; else owned */
	void	*value;
};

static char gone[] = "";

static uint64_t key0, key1;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;

static void key_make(void)
{
	uint64_t k[2] = { 0, 0 };

	ASSERT(getrandom(k, sizeof(k), 0) == sizeof(k));
	key0 = k[0];
	key1 = k[1];
}

static inline uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static inline void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

uint64_t hash_bytes(const void *p, size_t n)
{
	const unsigned char *in = p;
	uint64_t v[4], m, last = (uint64_t)n << 56;

	pthread_once(&key_once, key_make);
	v[0] = key0 ^ 0x736f6d6570736575U;
	v[1] = key1 ^ 0x646f72616e646f6dU;
	v[2] = key0 ^ 0x6c7967656e657261U;
	v[3] = key1 ^ 0x7465646279746573U;
	for (; n >= 8; n -= 8, in += 8) {
		memcpy(&m, in, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	for (size_t i = 0; i < n; i++)
		last |= (uint64_t)in[i] << (8 * i);
	v[3] ^= last;
	sip_round(v);
	v[0] ^= last;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_stable(const void *p, size_t n)
{
	const unsigned char *in = p;
	uint64_t h = 0xcbf29ce484222325U;

	while (n-- > 0)
		h = (h ^ *in++) * 0x100000001b3U;
	return h;
}

/* The slot that holds key, or NULL. */
static struct hash_slot *find(const struct hash *h, const char *key, uint64_t hash)
{
	if (h->cap == 0)
		return NULL;
	for (size_t i = hash & (h->cap - 1);; i = (i + 1) & (h->cap - 1)) {
		struct hash_slot *s = &h->slot[i];

		if (s->key == NULL)
			return NULL;
		if (s->key != gone && s->hash == hash && strcmp(s->key, key) == 0)
			return s;
	}
}

/* A new table without the deleted ones, at most half full. */
static void rebuild(struct hash *h)
{
	struct hash_slot *old = h->slot;
	size_t old_cap = h->cap, cap = 16;

	while (cap < (h->n + 1) * 2)
		cap *= 2;
	h->slot = xcalloc(cap, sizeof(*h->slot));
	h->cap = cap;
	h->used = h->n;
	for (size_t k = 0; k < old_cap; k++) {
		if (old[k].key == NULL || old[k].key == gone)
			continue;
		size_t i = old[k].hash & (cap - 1);

		while (h->slot[i].key != NULL)
			i = (i + 1) & (cap - 1);
		h->slot[i] = old[k];
	}
	free(old);
}

void *hash_get(const struct hash *h, const char *key)
{
	struct hash_slot *s;

	if (h->n == 0)
		return NULL;
	s = find(h, key, hash_bytes(key, strlen(key)));
	return s != NULL ? s->value : NULL;
}

void *hash_set(struct hash *h, const char *key, void *value)
{
	size_t len = strlen(key);
	uint64_t hash = hash_bytes(key, len);
	struct hash_slot *s = find(h, key, hash);
	void *old;

	if (s != NULL) {
		old = s->value;
		s->value = value;
		return old;
	}
	if ((h->used + 1) * 4 > h->cap * 3)
		rebuild(h);
	size_t i = hash & (h->cap - 1);

	while (h->slot[i].key != NULL && h->slot[i].key != gone)
		i = (i + 1) & (h->cap - 1);
	if (h->slot[i].key == NULL)
		h->used++;
	h->slot[i] = (struct hash_slot){ .hash = hash, .key = xstrndup(key, len), .value = value };
	h->n++;
	return NULL;
}

void *hash_del(struct hash *h, const char *key)
{
	struct hash_slot *s;
	void *old;

	if (h->n == 0)
		return NULL;
	s = find(h, key, hash_bytes(key, strlen(key)));
	if (s == NULL)
		return NULL;
	old = s->value;
	free(s->key);
	s->key = gone;
	s->value = NULL;
	h->n--;
	return old;
}

bool hash_next(const struct hash *h, size_t *pos, const char **key_r, void **value_r)
{
	while (*pos < h->cap) {
		struct hash_slot *s = &h->slot[(*pos)++];

		if (s->key == NULL || s->key == gone)
			continue;
		if (key_r != NULL)
			*key_r = s->key;
		if (value_r != NULL)
			*value_r = s->value;
		return true;
	}
	return false;
}

void hash_release(struct hash *h, void (*free_value)(void *))
{
	for (size_t i = 0; i < h->cap; i++) {
		struct hash_slot *s = &h->slot[i];

		if (s->key == NULL || s->key == gone)
			continue;
		if (free_value != NULL)
			free_value(s->value);
		free(s->key);
	}
	free(h->slot);
	*h = (struct hash){ 0 };
}
