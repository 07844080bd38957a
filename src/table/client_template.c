/* client_template.c - queries, search bases and results with parts of a key or value in them.
 * %s is all of it, %u and %d what is before and behind the last '@', %1 ... %9 the domain's labels from the right,
 * %S %U %D the same of the key where the template is the result's. All templates of a table say together what a key must
 * have: a key without it is in no such table, and nobody is asked. */
#include "client.h"

struct parts {
	const char	*all, *domain;	/* domain NULL: no '@' */
	size_t		 user_len;
};

static struct parts split(const char *text)
{
	const char *at = strrchr(text, '@');

	return (struct parts){ .all = text, .domain = at != NULL ? at + 1 : NULL,
	    .user_len = at != NULL ? (size_t)(at - text) : strlen(text) };
}

bool template_parse(struct needs *n, const char *text, bool result, bool *depends_r)
{
	for (const char *p = text; (p = strchr(p, '%')) != NULL; p++) {
		char c = *++p;

		if (c >= '1' && c <= '9') {
			n->labels = MAX(n->labels, c - '0');
			n->flags |= NEED_KEY_DOMAIN;
		} else if (c == 'u' || c == 'U') {
			n->flags |= c == 'u' && result ? NEED_VALUE_USER : NEED_KEY_USER;
		} else if (c == 'd' || c == 'D') {
			n->flags |= c == 'd' && result ? NEED_VALUE_DOMAIN : NEED_KEY_DOMAIN;
		} else if (c != 's' && c != 'S' && c != '%') {
			return false;
		}
		*depends_r = *depends_r || c != '%';
	}
	return true;
}

/* The n-th label from the right, 1 the last; empty ones do not count. False: not so many. */
static bool label_find(const char *domain, int n, const char **start_r, size_t *len_r)
{
	const char *end = domain + strlen(domain);

	for (;;) {
		const char *start;

		while (end > domain && end[-1] == '.')
			end--;
		for (start = end; start > domain && start[-1] != '.'; start--)
			continue;
		if (start == end)
			return false;
		if (--n == 0) {
			*start_r = start;
			*len_r = (size_t)(end - start);
			return true;
		}
		end = start;
	}
}

static bool has(const struct parts *p, bool domain, bool user)
{
	return (!domain || (p->domain != NULL && *p->domain != '\0')) &&
	    (!user || p->domain == NULL || p->user_len > 0);
}

bool template_wants(const struct needs *n, const char *key)
{
	struct parts k = split(key);
	const char *label;
	size_t len;

	return *key != '\0' && has(&k, (n->flags & NEED_KEY_DOMAIN) != 0, (n->flags & NEED_KEY_USER) != 0) &&
	    (n->labels == 0 || label_find(k.domain, n->labels, &label, &len));
}

static void put(const char *s, size_t len, void (*quote)(void *, const char *, struct buf *), void *arg,
    struct buf *out)
{
	char *part;

	if (quote == NULL) {
		buf_add(out, s, len);
		return;
	}
	part = xstrndup(s, len);
	quote(arg, part, out);
	free(part);
}

bool template_expand(const struct needs *n, const char *text, const char *value, const char *key,
    void (*quote)(void *, const char *, struct buf *), void *arg, struct buf *out)
{
	struct parts v = split(value), k = split(key != NULL ? key : value);
	const char *label;
	size_t len;

	if (!template_wants(n, k.all) || *value == '\0')
		return false;
	if (key != NULL && !has(&v, (n->flags & NEED_VALUE_DOMAIN) != 0, (n->flags & NEED_VALUE_USER) != 0))
		return false;
	if (out->len > 0)
		buf_addc(out, ',');
	for (const char *p = text; *p != '\0'; p++) {
		const struct parts *from;

		if (*p != '%') {
			buf_addc(out, *p);
			continue;
		}
		from = *++p >= 'a' ? &v : &k;
		if (*p == '%')
			buf_addc(out, '%');
		else if (*p == 's' || *p == 'S')
			put(from->all, strlen(from->all), quote, arg, out);
		else if (*p == 'u' || *p == 'U')
			put(from->all, from->user_len, quote, arg, out);
		else if (*p == 'd' || *p == 'D')
			put(from->domain, strlen(from->domain), quote, arg, out);
		else if (label_find(k.domain, *p - '0', &label, &len))
			put(label, len, quote, arg, out);
	}
	return true;
}
