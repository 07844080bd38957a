/* template.c - the texts of notices: built in, or from bounce_template_file (bounce(5)).
 * A file holds "NAME_template = <<MARK" blocks: pseudo headers, an empty line, text with $name. A block with a fault is
 * reported and its built-in form stays; what keeps Postfix's bounce(8) from working at all (a line that is no
 * assignment, an undefined $name) stops the load instead. */
#include "bounce_int.h"
#include <postrider/address.h>
#include <postrider/file.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define FOOTER	"\n                   The mail system\n"
#define HELP	"\nFor further assistance, please send mail to postmaster.\n\n" \
	"If you do so, please include this problem report. You can\n" \
	"delete your own text from the attached returned message.\n"
#define HOST	"This is the mail system at host $myhostname.\n\n"
#define BANNER	"####################################################################\n"

static const struct {
	const char *name, *subject, *postmaster_subject, *text;
} builtin[TEMPLATES] = {
	[BOUNCE_FAILURE] = { "failure", "Undelivered Mail Returned to Sender", "Postmaster Copy: Undelivered Mail",
	    HOST "I'm sorry to have to inform you that your message could not\n"
	    "be delivered to one or more recipients. It's attached below.\n" HELP FOOTER },
	[BOUNCE_DELAY] = { "delay", "Delayed Mail (still being retried)", "Postmaster Warning: Delayed Mail",
	    HOST BANNER "# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #\n" BANNER
	    "\nYour message could not be delivered for more than $delay_warning_time_hours hour(s).\n"
	    "It will be retried until it is $maximal_queue_lifetime_days day(s) old.\n" HELP FOOTER },
	[BOUNCE_SUCCESS] = { "success", "Successful Mail Delivery Report", NULL,
	    HOST "Your message was successfully delivered to the destination(s)\n"
	    "listed below. If the message was delivered to mailbox you will\n"
	    "receive no further notifications. Otherwise you may still receive\n"
	    "notifications of mail delivery errors from other systems.\n" FOOTER },
	[BOUNCE_VERIFY] = { "verify", "Mail Delivery Status Report", NULL,
	    HOST "Enclosed is the mail delivery report that you requested.\n" FOOTER },
};

static void template_free(struct template *t)
{
	free(t->charset);
	free(t->from);
	free(t->subject);
	free(t->postmaster_subject);
	free(t->text);
	free(t->expanded);
	*t = (struct template){ .name = t->name };
}

static void template_builtin(struct template *t, int kind, bool obsolete)
{
	t->name = builtin[kind].name;
	t->charset = xstrdup("us-ascii");
	t->from = xstrdup(obsolete ? "MAILER-DAEMON (Mail Delivery System)" : "Mail Delivery System <MAILER-DAEMON>");
	t->subject = xstrdup(builtin[kind].subject);
	t->postmaster_subject = xstrdup(builtin[kind].postmaster_subject);
	t->text = xstrdup(builtin[kind].text);
	t->origin = "[built-in]";
}

void templates_builtin(struct templates *ts, const struct view *v)
{
	bool obsolete = v != NULL && str_ieq(view_str(v, header_from_format), "obsolete");

	for (int i = 0; i < TEMPLATES; i++)
		template_builtin(&ts->t[i], i, obsolete);
}

void templates_release(struct templates *ts)
{
	for (int i = 0; i < TEMPLATES; i++)
		template_free(&ts->t[i]);
	free(ts->file);
	ts->file = NULL;
}

/* ---- parsing ------------------------------------------------------------------------------- */
struct block {
	struct problems	*problems;
	const char	*file;
	int		 line;
	struct template	*t;
};

/* "unknown "X-Foo" header label in failure template"; label NULL: about the whole block. */
static bool ignored(const struct block *b, const char *before, const char *label, const char *after)
{
	problem_add(b->problems, PROBLEM_WARNING, b->file, 0, "%s%s%s%s%s in %s template -- ignoring this template",
		    before, label != NULL ? " \"" : "", label != NULL ? label : "", label != NULL ? "\" " : "", after,
		    b->t->name);
	return false;
}

static bool is_blank(const char *s)
{
	return s[strspn(s, " \t\r\f\v")] == '\0';
}

static size_t header_label(const char *s)
{
	size_t n = 0;

	while (s[n] > ' ' && s[n] < 127 && s[n] != ':')
		n++;
	return n > 0 && s[n + strspn(s + n, " \t")] == ':' ? n : 0;
}

static bool header_apply(const struct block *b, struct template *t, char *line, size_t label_len)
{
	char *value = line + label_len;
	char **field;

	value += strspn(value, ": \t\r\f\v");
	line[label_len] = '\0';
	if (*value == '\0')
		return ignored(b, "empty", line, "header value");
	if (!str_is_ascii(value))
		return ignored(b, "non-ASCII", line, "header value");
	if (str_ieq(line, "charset"))
		field = &t->charset;
	else if (str_ieq(line, "from"))
		field = &t->from;
	else if (str_ieq(line, "subject"))
		field = &t->subject;
	else if (!str_ieq(line, "postmaster-subject"))
		return ignored(b, "unknown", line, "header label");
	else if (t->postmaster_subject == NULL)
		return ignored(b, "inapplicable", line, "header label");
	else
		field = &t->postmaster_subject;
	free(*field);
	*field = xstrdup(value);
	return true;
}

/* One block's contents; on a fault *t keeps what it had. */
static bool block_parse(const struct block *b, char *text)
{
	struct template new = { .name = b->t->name, .origin = b->file };
	char *line = text, *next;
	size_t n;
	bool good = true;

	new.charset = xstrdup(b->t->charset);
	new.from = xstrdup(b->t->from);
	new.subject = xstrdup(b->t->subject);
	new.postmaster_subject = xstrdup(b->t->postmaster_subject);
	for (; good && line != NULL && *line != '\0' && (n = header_label(line)) > 0; line = next) {
		if ((next = strchr(line, '\n')) != NULL)
			*next++ = '\0';
		good = header_apply(b, &new, line, n);
	}
	while (good && line != NULL && *line != '\0' &&
	       (line[n = strspn(line, " \t\r\f\v")] == '\n' || line[n] == '\0'))
		line += n + (line[n] == '\n');
	if (good && (line == NULL || *line == '\0'))
		good = ignored(b, "missing message text", NULL, "");
	if (good && !str_is_ascii(line) && str_ieq(new.charset, "us-ascii"))
		good = ignored(b, "8-bit message text with Charset us-ascii", NULL, "");
	if (good) {
		new.text = xstrdup(line);
		template_free(b->t);
		*b->t = new;
	} else {
		template_free(&new);
	}
	return good;
}

static struct template *find(struct templates *ts, const char *name)
{
	for (int i = 0; i < TEMPLATES; i++) {
		size_t n = strlen(ts->t[i].name);

		if (strncmp(name, ts->t[i].name, n) == 0 && strcmp(name + n, "_template") == 0)
			return &ts->t[i];
	}
	return NULL;
}

/* Cuts the next line off *cursor; NULL at the end. */
static char *next_line(char **cursor, int *line_no)
{
	char *line = *cursor, *nl;

	if (line == NULL || *line == '\0')
		return NULL;
	(*line_no)++;
	if ((nl = strchr(line, '\n')) != NULL)
		*nl++ = '\0';
	*cursor = nl;
	return line;
}

/* "name = value" split in place; false: there is no '=' or no name. */
static bool split_assignment(char *line, char **name, char **value)
{
	char *eq;

	*name = line + strspn(line, " \t");
	if ((eq = strchr(*name, '=')) == NULL || eq == *name)
		return false;
	*value = eq + 1;
	*eq = '\0';
	*name = str_trim(*name);
	*value = str_trim(*value);
	return **name != '\0' && strpbrk(*name, " \t") == NULL;
}

void templates_parse(struct templates *ts, const char *file, char *text, struct problems *problems)
{
	struct block b = { .problems = problems, .file = file };
	struct buf body = { 0 };
	char *cursor = text, *line, *name, *value, *copy;

	while ((line = next_line(&cursor, &b.line)) != NULL) {
		if (*line == '#' || is_blank(line))
			continue;
		copy = xstrdup(line);
		if (!split_assignment(line, &name, &value)) {
			problem_add(problems, PROBLEM_FATAL, file, b.line, "missing '=' after attribute name: \"%s\"",
				    copy);
			free(copy);
			break;
		}
		free(copy);
		if ((b.t = find(ts, name)) == NULL)
			problem_add(problems, PROBLEM_WARNING, file, b.line,
				    "unknown template name: %s -- ignoring this template", name);
		else if (strncmp(value, "<<", 2) != 0)
			problem_add(problems, PROBLEM_WARNING, file, b.line,
				    "%s: expected <<MARKER -- ignoring this template", name);
		if (strncmp(value, "<<", 2) != 0)
			continue;
		value += 2;
		value += strspn(value, " \t");
		buf_reset(&body);
		while ((line = next_line(&cursor, &b.line)) != NULL && strcmp(line, value) != 0) {
			buf_adds(&body, line);
			buf_addc(&body, '\n');
		}
		if (line == NULL)
			problem_add(problems, PROBLEM_WARNING, file, b.line + 1, "missing \"%s\" end marker", value);
		if (b.t != NULL) {
			buf_addc(&body, '\0');
			block_parse(&b, body.p);
		}
	}
	buf_release(&body);
}

void templates_load(struct templates *ts, const char *file, struct problems *problems)
{
	char *text = file_read(file, TEMPLATE_FILE_MAX, NULL);

	if (text == NULL) {
		problem_add(problems, PROBLEM_FATAL, NULL, 0, "open %s: %s", file, strerror(errno));
		return;
	}
	free(ts->file);
	ts->file = xstrdup(file);
	templates_parse(ts, ts->file, text, problems);
	free(text);
}

/* ---- $name ----------------------------------------------------------------------------------- */
struct expansion {
	const struct view *view;
	struct template	*t;
	char		 missing[80];		/* first undefined name */
	char		 number[24];
	struct buf	 host;			/* myhostname or mydomain with its labels decoded */
};

/* delay_warning_time_hours and the like: the time in that unit, rounded down; NULL: no such name. */
static const char *time_name(struct expansion *x, const char *name)
{
	static const struct { const char *suffix; int secs; } unit[] = {
		{ "_seconds", 1 }, { "_minutes", 60 }, { "_hours", 3600 }, { "_days", 86400 }, { "_weeks", 7 * 86400 },
	};
	static const char *const base[] = { "delay_warning_time", "maximal_queue_lifetime" };

	for (size_t i = 0; i < NELEM(base); i++) {
		size_t n = strlen(base[i]);
		int secs;

		if (strncmp(name, base[i], n) != 0)
			continue;
		secs = i == 0 ? view_secs(x->view, delay_warning_time) : view_secs(x->view, maximal_queue_lifetime);
		for (size_t u = 0; u < NELEM(unit); u++) {
			if (strcmp(name + n, unit[u].suffix) != 0)
				continue;
			snprintf(x->number, sizeof(x->number), "%d", secs / unit[u].secs);
			if (secs / unit[u].secs == 0 && x->t->zero == NULL) {
				x->t->zero = base[i];
				x->t->zero_unit = unit[u].suffix + 1;
			}
			return x->number;
		}
	}
	return NULL;
}

static const char *lookup(void *arg, const char *name)
{
	struct expansion *x = arg;
	const char *v = time_name(x, name);

	if (v != NULL)
		return v;
	v = view_lookup(x->view, name);
	if (v == NULL && x->missing[0] == '\0')
		str_copy(x->missing, name, sizeof(x->missing));
	if (v != NULL && view_bool(x->view, smtputf8_enable) &&
	    (strcmp(name, "myhostname") == 0 || strcmp(name, "mydomain") == 0)) {
		buf_reset(&x->host);
		if (address_domain_to_utf8(&x->host, v))
			return buf_str(&x->host);
	}
	return v;
}

void templates_expand(struct templates *ts, const struct view *view, struct problems *problems)
{
	for (int i = 0; i < TEMPLATES; i++) {
		struct expansion x = { .view = view, .t = &ts->t[i] };
		struct buf out = { 0 };
		const char *bad = macro_expand(&out, ts->t[i].text, lookup, &x);

		if (bad != NULL)
			problem_add(problems, PROBLEM_FATAL, ts->t[i].origin, 0, "bad $name syntax in %s template: %s",
				    ts->t[i].name, bad);
		else if (x.missing[0] != '\0')
			problem_add(problems, PROBLEM_FATAL, ts->t[i].origin, 0, "undefined $name in %s template: %s",
				    ts->t[i].name, x.missing);
		free(ts->t[i].expanded);
		ts->t[i].expanded = buf_steal(&out);
		buf_release(&x.host);
	}
}

void bounce_print_templates(const struct view *view, const char *file, bool expanded, struct buf *out,
			    struct problems *problems)
{
	struct templates ts = { 0 };

	templates_builtin(&ts, view);
	if (*file != '\0')
		templates_load(&ts, file, problems);
	if (expanded)
		templates_expand(&ts, view, problems);
	for (int i = 0; i < TEMPLATES; i++) {
		const struct template *t = &ts.t[i];

		if (i > 0)
			buf_addc(out, '\n');
		if (expanded) {
			buf_addf(out, "expanded_%s_text = <<EOF\n%sEOF\n", t->name, t->expanded);
			continue;
		}
		buf_addf(out, "%s_template = <<EOF\nCharset: %s\nFrom: %s\nSubject: %s\n", t->name, t->charset, t->from,
			 t->subject);
		if (t->postmaster_subject != NULL)
			buf_addf(out, "Postmaster-Subject: %s\n", t->postmaster_subject);
		buf_addf(out, "\n%sEOF\n", t->text);
	}
	templates_release(&ts);
}
