/* main.cf and master.cf to symbols and entries. A syntax error in main.cf spoils only its own line, so that one
 * run reports them all; the result is unusable all the same. */
#include "internal.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <stdlib.h>

#define BLANKS	" \t\r\n"

int sym_find(const struct config *c, const char *name)
{
	const struct param_row *row = param_find(name);

	if (row != NULL)
		return (int)(row - param_rows);
	return (int)(intptr_t)hash_get(&c->ids, name) - 1;
}

int sym_intern(struct config *c, const char *name)
{
	int id = sym_find(c, name);

	if (id >= 0)
		return id;
	if (c->nsym == c->symcap) {
		c->symcap = c->symcap * 3 / 2 + 32;
		c->sym = xreallocarray(c->sym, c->symcap, sizeof *c->sym);
	}
	id = (int)c->nsym++;
	c->sym[id] = (struct sym){ .name = arena_strdup(&c->arena, name) };
	hash_set(&c->ids, name, (void *)(intptr_t)(id + 1));
	return id;
}

void maincf_set(struct config *c, const char *name, const char *value, const char *file, int line)
{
	int id = sym_intern(c, name);
	struct sym *s = &c->sym[id];

	if (s->raw == NULL) {
		if (c->norder == c->ordercap) {
			c->ordercap = c->ordercap * 2 + 64;
			c->order = xreallocarray(c->order, c->ordercap, sizeof *c->order);
		}
		c->order[c->norder++] = id;
	}
	s->raw = arena_strdup(&c->arena, value);
	s->file = file;
	s->line = line;
}

bool maincf_parse(struct config *c, const char *text, size_t len, struct problems *problems)
{
	struct lines l;
	char *name, *value, *shown;
	const char *why;
	bool ok = true;
	int id;

	lines_init(&l, text, len);
	while (lines_next(&l)) {
		if (l.stray) {
			problem_add(problems, PROBLEM_WARNING, c->main_path, l.first,
			    "logical line must not start with whitespace: \"%.30s%s\"", l.text.p,
			    strlen(l.text.p) > 30 ? "..." : "");
			continue;
		}
		shown = xstrdup(l.text.p);
		if ((why = split_nameval(l.text.p, &name, &value)) != NULL) {
			problem_add(problems, PROBLEM_FATAL, c->main_path, l.first, "%s: \"%s\"", why, shown);
			ok = false;
		} else {
			id = sym_find(c, name);
			if (id >= 0 && c->sym[id].raw != NULL && strcmp(c->sym[id].raw, value) != 0)
				problem_add(problems, PROBLEM_WARNING, c->main_path, l.first,
				    "overriding earlier entry: %s=%s", name, c->sym[id].raw);
			maincf_set(c, name, value, c->main_path, l.first);
		}
		free(shown);
	}
	lines_release(&l);
	return ok;
}

/* ---- master.cf ---------------------------------------------------------------------------- */
static const struct {
	const char	*name;
	enum master_type type;
} types[] = {
	{ "inet", MASTER_INET },
	{ "unix", MASTER_UNIX },
	{ "fifo", MASTER_FIFO },
	{ "pass", MASTER_PASS },
	{ "unix-dgram", MASTER_UNIX_DGRAM },
};

struct reader {		/* one line on its way to an entry */
	struct config	*config;
	struct problems	*problems;
	const char	*file;
	int		 line;
	char		*cursor;
	bool		 bad;
};

static const char *field(struct reader *r, const char *name)
{
	char *value = str_tok(&r->cursor, BLANKS);

	if (value == NULL && !r->bad) {
		problem_add(r->problems, PROBLEM_FATAL, r->file, r->line, "missing \"%s\" field", name);
		r->bad = true;
	}
	return value != NULL ? arena_strdup(&r->config->arena, value) : "-";
}

static void bad_field(struct reader *r, const char *name, const char *value)
{
	if (!r->bad)
		problem_add(r->problems, PROBLEM_FATAL, r->file, r->line, "field \"%s\": bad value: \"%s\"", name,
		    value);
	r->bad = true;
}

static char flag(struct reader *r, const char *name)
{
	const char *value = field(r, name);

	if (value[0] == '\0' || value[1] != '\0' || strchr("yn-", value[0]) == NULL) {
		bad_field(r, name, value);
		return '-';
	}
	return value[0];
}

/* Digits with an optional '?' behind them. -1: not a number. */
static int count(const char *value, bool question)
{
	int64_t n;
	size_t len = strlen(value);
	char digits[12];

	if (question && len > 0 && value[len - 1] == '?')
		len--;
	if (len == 0 || len >= sizeof digits || strspn(value, "0123456789") < len)
		return -1;
	memcpy(digits, value, len);
	digits[len] = '\0';
	return str_to_int(digits, 0, INT32_MAX, &n) ? (int)n : -1;
}

static void override(struct reader *r, struct master_entry *e, char *text)
{
	char *shown = xstrdup(text), *name, *value, *pair;
	const char *why = split_nameval(text, &name, &value);

	if (why != NULL) {
		problem_add(r->problems, PROBLEM_FATAL, r->file, r->line, "invalid \"-o %s\" option value: %s", shown,
		    why);
		r->bad = true;
	} else {
		pair = xasprintf("%s=%s", name, value);
		strs_add(&e->overrides, pair);
		free(pair);
		sym_intern(r->config, name);
	}
	free(shown);
}

/* The daemons' own options, as their main() reads them: a cluster of letters; -o takes the rest or the next word. */
static void arguments(struct reader *r, struct master_entry *e, bool options)
{
	struct strs words = { 0 };
	const char *why;
	char *word, *p, *shown;
	size_t i;

	while ((word = str_tok_brace(&r->cursor, BLANKS)) != NULL) {
		shown = xstrdup(word);
		if (*word == '{' && (why = str_extpar(&word)) != NULL) {
			problem_add(r->problems, PROBLEM_FATAL, r->file, r->line, "%s in \"%s\"", why, shown);
			r->bad = true;
		} else {
			strs_add(&words, word);
		}
		free(shown);
		if (r->bad)
			break;
	}
	for (i = 0; i < words.n && options; i++) {
		word = words.v[i];
		if (word[0] != '-' || word[1] == '\0')
			break;
		if (strcmp(word, "--") == 0) {
			i++;
			break;
		}
		for (p = word + 1; *p != '\0' && *p != 'o'; p++)
			;
		if (*p == '\0') {
			strs_add(&e->args, word);
		} else if (p[1] != '\0') {
			override(r, e, p + 1);
		} else if (i + 1 < words.n) {
			override(r, e, words.v[++i]);
		} else {
			problem_add(r->problems, PROBLEM_FATAL, r->file, r->line, "invalid option: o");
			r->bad = true;
		}
	}
	for (; i < words.n; i++)
		strs_add(&e->args, words.v[i]);
	strs_release(&words);
}

static bool entry_parse(struct reader *r, struct master_entry *e)
{
	const char *type;
	size_t i;

	e->name = field(r, "service name");
	type = field(r, "transport type");
	for (i = 0; i < NELEM(types); i++)
		if (strcmp(types[i].name, type) == 0)
			break;
	if (i < NELEM(types)) {
		e->type = types[i].type;
	} else if (!r->bad) {
		problem_add(r->problems, PROBLEM_FATAL, r->file, r->line, "bad transport type: %s", type);
		r->bad = true;
	}
	e->private_ = flag(r, "private");
	if (e->type == MASTER_INET && e->private_ != 'n' && !r->bad) {
		problem_add(r->problems, PROBLEM_FATAL, r->file, r->line, "inet service cannot be private");
		r->bad = true;
	}
	e->unpriv = flag(r, "unprivileged");
	e->chroot_ = flag(r, "chroot");
	e->wakeup = field(r, "wakeup_time");
	if (strcmp(e->wakeup, "-") != 0 && count(e->wakeup, true) < 0)
		bad_field(r, "wakeup_time", e->wakeup);
	e->maxproc = field(r, "process_limit");
	e->maxproc_n = count(e->maxproc, false);
	if (strcmp(e->maxproc, "-") != 0 && e->maxproc_n < 0)
		bad_field(r, "process_limit", e->maxproc);
	e->command = field(r, "command");
	e->file = r->file;
	e->line = r->line;
	if (r->bad)
		return false;
	arguments(r, e, true);
	return !r->bad;
}

/* Names of mail's own ports need no look-up. -1: no number. */
static int port_number(const char *name)
{
	static const struct { const char *name; int port; } known[] = {
		{ "smtp", 25 }, { "submission", 587 }, { "smtps", 465 }, { "submissions", 465 }, { "lmtp", 24 },
	};
	struct servent entry, *found;
	char room[1024];

	if (*name >= '0' && *name <= '9')
		return atoi(name);
	for (size_t i = 0; i < NELEM(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return known[i].port;
	if (getservbyname_r(name, "tcp", &entry, room, sizeof room, &found) != 0 || found == NULL)
		return -1;
	return ntohs((uint16_t)found->s_port);
}

/* What makes two entries the same service: for inet the port as a number, for others the socket's place. */
static const char *entry_path(struct config *c, const struct master_entry *e)
{
	const char *colon = strrchr(e->name, ':'), *port = colon != NULL ? colon + 1 : e->name;
	int number;

	if (e->type != MASTER_INET)
		return arena_printf(&c->arena, "%s/%s", e->private_ == 'n' ? "public" : "private", e->name);
	if ((number = port_number(port)) < 0)
		return e->name;
	return arena_printf(&c->arena, "%.*s%d", (int)(port - e->name), e->name, number);
}

static void entry_add(struct config *c, const struct master_entry *e, struct problems *problems)
{
	const char *path = entry_path(c, e);
	char *key = xasprintf("%d %s", (int)e->type, path);
	size_t old = (size_t)(intptr_t)hash_get(&c->entries, key);

	if (old > 0) {
		problem_add(problems, PROBLEM_WARNING, e->file, e->line,
		    "duplicate master.cf entry for service \"%s\" (%s) -- using the last entry", e->name, path);
		strs_release(&c->master[old - 1].args);
		strs_release(&c->master[old - 1].overrides);
		c->master[old - 1] = *e;
	} else {
		if (c->nmaster == c->mastercap) {
			c->mastercap = c->mastercap * 2 + 32;
			c->master = xreallocarray(c->master, c->mastercap, sizeof *c->master);
		}
		c->master[c->nmaster++] = *e;
		hash_set(&c->entries, key, (void *)(intptr_t)c->nmaster);
	}
	free(key);
}

bool mastercf_parse(struct config *c, const char *text, size_t len, const char *file, struct problems *problems)
{
	struct lines l;
	bool ok = true;

	lines_init(&l, text, len);
	while (lines_next(&l)) {
		struct master_entry e = { .maxproc_n = -1 };
		struct reader r = { .config = c, .problems = problems, .file = file, .line = l.first,
		    .cursor = l.text.p };

		if (l.stray) {
			problem_add(problems, PROBLEM_WARNING, file, l.first,
			    "logical line must not start with whitespace: \"%.30s%s\"", l.text.p,
			    strlen(l.text.p) > 30 ? "..." : "");
		} else if (entry_parse(&r, &e)) {
			entry_add(c, &e, problems);
		} else {
			strs_release(&e.args);
			strs_release(&e.overrides);
			ok = false;
		}
	}
	lines_release(&l);
	return ok;
}

/* Without a master.cf: SMTP in, the usual ways out. */
void mastercf_defaults(struct config *c)
{
	static const char text[] =
	    "smtp inet n - n - - smtpd\n"
	    "smtp unix - - n - - smtp\n"
	    "relay unix - - n - - smtp\n"
	    "lmtp unix - - n - - lmtp\n"
	    "error unix - - n - - error\n"
	    "retry unix - - n - - error\n"
	    "discard unix - - n - - discard\n"
	    "local unix - n n - - local\n"
	    "virtual unix - n n - - virtual\n";
	struct problems none;

	TAILQ_INIT(&none);
	ASSERT(mastercf_parse(c, text, sizeof text - 1, "built-in master.cf", &none));
	problems_release(&none);
}
