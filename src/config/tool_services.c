/* postconf's view of master.cf: -M, -F and -P. The rules about columns, folding and braces are Postfix's. */
#include "tool.h"
#include <postrider/log.h>
#include <stdlib.h>

#define BLANKS		" \t\r\n"
#define LINE_LIMIT	80
#define INDENT		4

const char *const field_names[FIELDS] = {
	"service", "type", "private", "unprivileged", "chroot", "wakeup", "process_limit", "command",
};
static const size_t column_goal[FIELDS] = { 0, 11, 17, 25, 33, 41, 49, 57 };

/* "{ text }" without its braces; what is wrong with it is said but changes nothing. */
static char *unbrace(const char *word)
{
	char *text = xstrdup(word + 1), *p, *inner;
	int level = 1;

	for (p = text; *p != '\0'; p++) {
		if (*p == '{')
			level++;
		else if (*p == '}' && --level == 0)
			break;
	}
	if (*p == '\0')
		log_warn(NULL, "master.cf: missing '}' in \"%s\"", word);
	else if (p[1] != '\0')
		log_warn(NULL, "master.cf: syntax error after '}' in \"%s\"", word);
	*p = '\0';
	inner = xstrdup(str_trim(text));
	free(text);
	return inner;
}

/* The value of -o: "{ name = value }" becomes "name=value". */
static void add_override(struct strs *argv, const char *word)
{
	char *text, *copy, *name, *value, *joined;
	const char *why;

	if (*word != '{') {
		strs_add(argv, word);
		return;
	}
	text = unbrace(word);
	copy = xstrdup(text);
	if ((why = split_nameval(copy, &name, &value)) != NULL) {
		log_warn(NULL, "master.cf: %s: \"%s\"", why, text);
		strs_add(argv, text);
	} else {
		joined = xasprintf("%s=%s", name, value);
		strs_add(argv, joined);
		free(joined);
	}
	free(copy);
	free(text);
}

static void add_plain(struct strs *argv, const char *word)
{
	char *text = *word == '{' ? unbrace(word) : xstrdup(word);

	strs_add(argv, text);
	free(text);
}

/* Clusters are taken apart ("-vofoo=bar" is -v -o foo=bar) so that what remains is options, -o pairs, arguments.
 * As in Postfix a cluster is cut at any later 'o', also one inside a value that follows without a space. */
static void add_arguments(struct strs *argv, struct strs *words)
{
	size_t i = 0;
	char *word, *cut, *rest;

	for (; i < words->n; i++) {
		word = words->v[i];
		if (word[0] != '-' || strcmp(word, "--") == 0)
			break;
		for (rest = xstrdup(word); rest != NULL;) {
			char *next = NULL;

			cut = rest[1] != '\0' ? strchr(rest + 2, 'o') : NULL;
			if (cut != NULL) {
				next = xasprintf("-%s", cut);
				*cut = '\0';
			}
			if (rest[1] == 'o' && rest[2] != '\0') {
				strs_add(argv, "-o");
				strs_add(argv, rest + 2);
			} else if (rest[1] == 'o' && next != NULL) {
				strs_add(argv, "-o");
				strs_add(argv, next);
				free(next);
				next = NULL;
			} else if (rest[1] == 'o' && i + 1 < words->n) {
				strs_add(argv, "-o");
				add_override(argv, words->v[++i]);
			} else {
				strs_add(argv, rest);
			}
			free(rest);
			rest = next;
		}
	}
	for (; i < words->n; i++)
		add_plain(argv, words->v[i]);
}

static bool is_count(const char *s, bool question)
{
	size_t n = strspn(s, "0123456789");

	return strcmp(s, "-") == 0 || (n > 0 && s[n] == '\0') || (question && strcmp(s + n, "?") == 0);
}

void service_check_field(int field, const char *value, const char *whole)
{
	static const char *const types[] = { "inet", "unix", "fifo", "pass", "unix-dgram" };
	bool good = true;

	switch (field) {
	case 1:
		good = false;
		for (size_t i = 0; i < NELEM(types); i++)
			if (strcmp(types[i], value) == 0)
				good = true;
		break;
	case 2: case 3: case 4:
		good = strlen(value) == 1 && strchr("-yn", value[0]) != NULL;
		break;
	case 5:
		good = is_count(value, true);
		break;
	case 6:
		good = is_count(value, false);
		break;
	default:
		break;
	}
	if (!good)
		log_fatal("invalid %s field \"%s\" in \"%s\"", field_names[field], value, whole);
}

void service_parse(struct tool_service *s, const char *line)
{
	char *copy = xstrdup(line), *cursor = copy, *word;
	struct strs words = { 0 };
	int i;

	for (i = 0; i < FIELDS && (word = str_tok(&cursor, BLANKS)) != NULL; i++) {
		service_check_field(i, word, line);
		strs_add(&s->argv, word);
	}
	while ((word = str_tok_brace(&cursor, BLANKS)) != NULL)
		strs_add(&words, word);
	add_arguments(&s->argv, &words);
	strs_release(&words);
	free(copy);
	service_params(s);
}

static int by_param(const void *a, const void *b)
{
	return strcmp(((const struct tool_param *)a)->name, ((const struct tool_param *)b)->name);
}

static void params_release(struct tool_service *s)
{
	for (size_t i = 0; i < s->nparam; i++) {
		free(s->param[i].name);
		free(s->param[i].value);
	}
	free(s->param);
	s->param = NULL;
	s->nparam = 0;
}

void service_params(struct tool_service *s)
{
	char *text, *name, *value;
	size_t i, k;

	params_release(s);
	s->param = xcalloc(s->argv.n + 1, sizeof *s->param);
	for (i = FIELDS; i < s->argv.n && s->argv.v[i][0] == '-' && strcmp(s->argv.v[i], "--") != 0; i++) {
		if (strcmp(s->argv.v[i], "-o") != 0 || i + 1 >= s->argv.n)
			continue;
		text = xstrdup(s->argv.v[++i]);
		if (split_nameval(text, &name, &value) == NULL) {
			for (k = 0; k < s->nparam && strcmp(s->param[k].name, name) != 0; k++)
				;
			if (k == s->nparam)
				s->param[s->nparam++].name = xstrdup(name);
			free(s->param[k].value);
			s->param[k].value = xstrdup(value);
		}
		free(text);
	}
	if (s->nparam > 0)
		qsort(s->param, s->nparam, sizeof *s->param, by_param);
}

void service_release(struct tool_service *s)
{
	params_release(s);
	strs_release(&s->argv);
}

/* ---- printing ----------------------------------------------------------------------------- */
static char *shown_override(const struct tool *t, const struct tool_service *s, const char *pair, unsigned mode)
{
	const char *eq = strchr(pair, '=');
	char *value, *joined;

	if (eq == NULL || !(mode & PC_EXPAND) || t == NULL) {
		joined = xstrdup(pair);
	} else {
		value = tool_value(t, s, eq + 1);
		joined = xasprintf("%.*s=%s", (int)(eq - pair), pair, value);
		free(value);
	}
	if (strpbrk(joined, BLANKS) != NULL || *joined == '{') {
		value = xasprintf("{%s}", joined);
		free(joined);
		joined = value;
	}
	return joined;
}

void service_print_command(const struct tool *t, FILE *out, unsigned mode, const struct tool_service *s, size_t column)
{
	bool options = true, brace, fits, wrap = false;
	char *value, *arg;
	size_t i, len;

	for (i = FIELDS; i < s->argv.n; i++) {
		const char *word = s->argv.v[i];

		value = NULL;
		brace = false;
		if (options && (word[0] != '-' || strcmp(word, "--") == 0)) {
			options = false;
		} else if (options && strcmp(word, "-o") == 0 && i + 1 < s->argv.n) {
			value = shown_override(t, s, s->argv.v[++i], mode);
			wrap = true;
		} else if (!options) {
			brace = strpbrk(word, BLANKS) != NULL;
		}
		arg = brace ? xasprintf("{%s}", word) : xstrdup(word);
		len = strlen(arg);
		fits = !wrap && column + 1 + strlen(word) < LINE_LIMIT;		/* braces are not counted */
		/* Postfix takes a short word at the start of a line (-Fh) for its indentation: no space behind it. */
		if (!(mode & PC_FOLD) || fits) {
			if (column > INDENT || wrap) {
				fputc(' ', out);
				column++;
			}
		} else {
			fputs("\n    ", out);
			column = INDENT;
		}
		fputs(arg, out);
		column += len;
		wrap = value != NULL;
		if (value != NULL)
			fprintf(out, " %s", value);
		free(value);
		free(arg);
	}
	fputc('\n', out);
}

void service_print(const struct tool *t, FILE *out, unsigned mode, const struct tool_service *s)
{
	size_t column = 0, i;

	for (i = 0; i < FIELDS; i++) {
		if (i > 0) {
			do {
				fputc(' ', out);
				column++;
			} while (column < column_goal[i]);
		}
		fputs(s->argv.v[i], out);
		column += strlen(s->argv.v[i]);
	}
	service_print_command(t, out, mode, s, column);
}

/* ---- selecting ---------------------------------------------------------------------------- */
bool pattern_split(char *text, char **part, int n, int *given_r)
{
	int i = 0;

	for (part[0] = text; (text = strchr(text, '/')) != NULL; part[i] = ++text) {
		if (++i == n)
			return false;
		*text = '\0';
	}
	*given_r = ++i;
	while (i < n)
		part[i++] = (char *)(uintptr_t)"*";
	return true;
}

static bool part_matches(const char *pattern, const char *text)
{
	return strcmp(pattern, "*") == 0 || strcmp(pattern, text) == 0;
}

bool service_matches(const struct tool_service *s, char *const *pattern, int n)
{
	for (int i = 0; i < n; i++)
		if (!part_matches(pattern[i], s->argv.v[i]))
			return false;
	return true;
}

static char *const everything[] = { (char *)(uintptr_t)"*", NULL };

struct pattern { char *copy, *part[3]; bool found; };

/* Service by service, calls show for every pattern that fits; show says whether it printed something. */
static void each(struct tool *t, char *const *patterns, int parts,
    bool (*show)(struct tool *, struct tool_service *, char **part))
{
	struct pattern *list;
	size_t n = 0, i, k;
	int given;

	if (*patterns == NULL)
		patterns = everything;
	while (patterns[n] != NULL)
		n++;
	list = xcalloc(n, sizeof *list);
	for (k = 0; k < n; k++) {
		list[k].copy = xstrdup(patterns[k]);
		if (!pattern_split(list[k].copy, list[k].part, parts, &given))
			log_fatal("too many parts in \"%s\"", patterns[k]);
	}
	for (i = 0; i < t->nsvc; i++)
		for (k = 0; k < n; k++)
			if (service_matches(&t->svc[i], list[k].part, 2) && show(t, &t->svc[i], list[k].part))
				list[k].found = true;
	for (k = 0; k < n; k++) {
		if (!list[k].found && patterns != everything)
			log_warn(NULL, "unmatched request: \"%s\"", patterns[k]);
		free(list[k].copy);
	}
	free(list);
}

static bool show_service(struct tool *t, struct tool_service *s, char **part)
{
	(void)part;
	service_print(t, t->o->out, t->o->mode, s);
	return true;
}

static bool show_field(struct tool *t, struct tool_service *s, char **part)
{
	bool all = strcmp(part[2], "*") == 0;
	unsigned mode = t->o->mode;
	int i;

	for (i = 0; i < FIELDS; i++) {
		char *name;

		if (!all && strcmp(part[2], field_names[i]) != 0)
			continue;
		name = xasprintf("%s/%s/%s", s->argv.v[0], s->argv.v[1], field_names[i]);
		if (mode & PC_HIDE_VALUE) {
			fprintf(t->o->out, "%s\n", name);
		} else if (i < FIELDS - 1) {
			size_t column = mode & PC_HIDE_NAME ? 0 : (size_t)fprintf(t->o->out, "%s = ", name);

			/* A long value goes to its own line, folding or not. */
			fprintf(t->o->out, column > 0 && column + strlen(s->argv.v[i]) > LINE_LIMIT ? "\n    %s\n" :
			    "%s\n",
			    s->argv.v[i]);
		} else {
			size_t column = strlen(s->argv.v[i]);

			if (!(mode & PC_HIDE_NAME))
				column += (size_t)fprintf(t->o->out, "%s = ", name);
			fputs(s->argv.v[i], t->o->out);
			service_print_command(t, t->o->out, mode, s, column);
		}
		free(name);
	}
	return true;
}

static bool show_param(struct tool *t, struct tool_service *s, char **part)
{
	bool found = false;

	for (size_t i = 0; i < s->nparam; i++) {
		char *name, *value;

		if (!part_matches(part[2], s->param[i].name))
			continue;
		name = xasprintf("%s/%s/%s", s->argv.v[0], s->argv.v[1], s->param[i].name);
		value = tool_value(t, s, s->param[i].value);
		tool_print_line(t->o, name, value);
		free(name);
		free(value);
		found = true;
	}
	return found;
}

static void check_field_names(char *const *patterns)
{
	for (; *patterns != NULL; patterns++) {
		char *copy = xstrdup(*patterns), *part[3];
		int given, i;

		if (pattern_split(copy, part, 3, &given) && strcmp(part[2], "*") != 0) {
			for (i = 0; i < FIELDS && strcmp(field_names[i], part[2]) != 0; i++)
				;
			if (i == FIELDS)
				log_fatal("invalid service attribute name: \"%s\"", part[2]);
		}
		free(copy);
	}
}

static void show_master(const struct postconf *o, char *const *patterns, int parts,
    bool (*show)(struct tool *, struct tool_service *, char **))
{
	struct postconf first = *o;
	struct tool t;

	first.master_first = true;
	tool_open(&t, &first);
	tool_mark_used(&t);
	if (show == show_field)
		check_field_names(patterns);
	each(&t, patterns, parts, show);
	fflush(o->out);
	tool_warn_unused(&t, false);
	tool_close(&t);
}

void postconf_show_services(const struct postconf *o, char *const *patterns)
{
	show_master(o, patterns, 2, show_service);
}

void postconf_show_fields(const struct postconf *o, char *const *patterns)
{
	show_master(o, patterns, 3, show_field);
}

void postconf_show_params(const struct postconf *o, char *const *patterns)
{
	show_master(o, patterns, 3, show_param);
}
