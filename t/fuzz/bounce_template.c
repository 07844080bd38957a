/* bounce_template_file: whatever stands in it, every template keeps a text, and the printed form reads back the same. */
#include "bounce/bounce_int.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(struct buf *out, const struct templates *ts)
{
	for (int i = 0; i < TEMPLATES; i++) {
		const struct template *t = &ts->t[i];

		buf_addf(out, "%s_template = <<=EOF=\nCharset: %s\nFrom: %s\nSubject: %s\n", t->name, t->charset, t->from, t->subject);
		if (t->postmaster_subject != NULL)
			buf_addf(out, "Postmaster-Subject: %s\n", t->postmaster_subject);
		buf_addf(out, "\n%s%s=EOF=\n", t->text, t->text[strlen(t->text) - 1] == '\n' ? "" : "\n");
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct templates a = { 0 }, b = { 0 };
	struct buf first = { 0 }, second = { 0 };
	char *text = xstrndup((const char *)data, strnlen((const char *)data, size)), *copy;
	bool marker = strstr(text, "=EOF=") != NULL;

	templates_builtin(&a, NULL);
	templates_parse(&a, "fuzz", text, &problems);
	for (int i = 0; i < TEMPLATES; i++)
		if (a.t[i].text == NULL || *a.t[i].text == '\0')
			abort();
	print(&first, &a);
	copy = xstrdup(buf_str(&first));
	templates_builtin(&b, NULL);
	templates_parse(&b, "again", copy, &problems);
	print(&second, &b);
	if (!marker && strcmp(buf_str(&first), buf_str(&second)) != 0)
		abort();
	templates_release(&a);
	templates_release(&b);
	problems_release(&problems);
	buf_release(&first);
	buf_release(&second);
	free(copy);
	free(text);
	return 0;
}
