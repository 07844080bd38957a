/* powercut_model.c - the account: for each message what was acknowledged and what may have become of it, from the notes so far. */
#include "powercut.h"
#include "mail.h"
#include <postrider/base.h>

struct known *model_find(struct model *m, uint64_t n)
{
	return n < m->n && m->v[n].rcpts != 0 ? &m->v[n] : NULL;
}

static struct known *know(struct model *m, uint64_t n)
{
	size_t more;

	if (n >= m->n) {
		more = MAX(m->n * 2, (size_t)n + 1024);
		m->v = xreallocarray(m->v, more, sizeof(*m->v));
		memset(m->v + m->n, 0, (more - m->n) * sizeof(*m->v));
		m->n = more;
	}
	return &m->v[n];
}

static void owe(struct model *m, uint64_t n, struct known *k)
{
	if (k->owed || k->may_go)
		return;
	k->owed = true;
	if (m->owed_n == m->owed_cap) {
		m->owed_cap = m->owed_cap != 0 ? m->owed_cap * 2 : 1024;
		m->owed = xreallocarray(m->owed, m->owed_cap, sizeof(*m->owed));
	}
	k->owed_at = m->owed_n;
	m->owed[m->owed_n++] = n;
}

static void may_go(struct model *m, struct known *k)
{
	uint64_t last;

	k->may_go = true;
	if (!k->owed)
		return;
	k->owed = false;
	last = m->owed[--m->owed_n];
	m->owed[k->owed_at] = last;
	m->v[last].owed_at = k->owed_at;
}

static void rcpt(struct model *m, struct known *k, uint64_t r, unsigned char what)
{
	if (r >= k->rcpts)
		return;
	if (k->rcpt == NULL)
		k->rcpt = xcalloc(k->rcpts, 1);
	if ((what & KNOWN_MAY_GO) != 0 && (k->rcpt[r] & KNOWN_MAY_GO) == 0 && ++k->may_go_rcpts == k->rcpts)
		may_go(m, k);
	k->rcpt[r] |= what;
}

void model_note(struct model *m, const char *text, size_t len)
{
	char line[128], what;
	unsigned long long n, x;
	struct known *k;
	int got;

	len = MIN(len, sizeof(line) - 1);
	memcpy(line, text, len);
	line[len] = '\0';
	got = sscanf(line, "%c %llu %llu", &what, &n, &x);
	if (got < 2 || n > UINT32_MAX)
		return;
	k = know(m, n);
	switch (what) {
	case 'B':
		k->rcpts = (uint32_t)x;
		break;
	case 'P':
		m->acknowledged++;
		owe(m, n, k);
		break;
	case 'D':
		if (got == 3)
			rcpt(m, k, x, KNOWN_MAY_GO);
		else
			may_go(m, k);
		break;
	case 'G':
		if (got == 3)
			rcpt(m, k, x, KNOWN_GONE);
		else
			k->gone = true;
		break;
	case 's':
		k->tries_max = (unsigned)x;
		break;
	case 'S':
		k->tries_min = (unsigned)x;
		break;
	default:
		break;
	}
}

void model_release(struct model *m)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		free(m->v[i].rcpt);
	free(m->v);
	free(m->owed);
	*m = (struct model){ 0 };
}
