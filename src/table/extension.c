/* extension.c - where does an address extension begin? */
#include "room.h"

static bool is_name(const char *local, size_t n, const char *name)
{
	return strlen(name) == n && strncasecmp(local, name, n) == 0;
}

size_t addr_extension(const char *local, size_t n, const char *delims, const char *double_bounce, bool owner_special)
{
	if (delims == NULL || *delims == '\0')
		return n;
	if (is_name(local, n, "postmaster") || is_name(local, n, "mailer-daemon"))
		return n;
	if (double_bounce != NULL && is_name(local, n, double_bounce))
		return n;
	if (owner_special && strchr(delims, '-') != NULL) {
		if (n >= 6 && strncasecmp(local, "owner-", 6) == 0)
			return n;
		if (n > 8 && strncasecmp(local + n - 8, "-request", 8) == 0)
			return n;
	}
	for (size_t i = 0; i < n; i++)
		if (strchr(delims, local[i]) != NULL)
			return i > 0 ? i : n;
	return n;
}
