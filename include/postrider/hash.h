/* hash.h - string to pointer, open addressing, keyed with SipHash so that peers
 * cannot aim at one bucket. Keys are copied; values are borrowed. */
#ifndef POSTRIDER_HASH_H
#define POSTRIDER_HASH_H
#include <postrider/base.h>

struct hash_slot;
struct hash {
	struct hash_slot *slot;
	size_t	 n, cap;	/* zeroed is empty */
	size_t	 used;		/* private: slots ever taken, deleted ones included */
};
void	*hash_get(const struct hash *, const char *key);		/* NULL: absent */
void	*hash_set(struct hash *, const char *key, void *value);		/* returns the old value or NULL */
void	*hash_del(struct hash *, const char *key);			/* returns the removed value or NULL */
/* Walk: *pos starts at 0; false at the end. Deleting the current key is allowed. */
bool	 hash_next(const struct hash *, size_t *pos, const char **key_r, void **value_r);
void	 hash_release(struct hash *, void (*free_value)(void *));	/* free_value may be NULL */

uint64_t hash_bytes(const void *p, size_t n);	/* SipHash-1-3 under this process's random key */
uint64_t hash_stable(const void *p, size_t n);	/* unkeyed FNV-1a 64: for what is written to disk */
#endif
