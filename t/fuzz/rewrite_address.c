/* Addresses through everything that rewriting does to them: standard form, routing, maps of all kinds whose answers are
 * part of the input, headers. Three lines: the address, the header's value, what every table says. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <postrider/clock.h>
#include <postrider/log.h>
#include <postrider/loop.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>
#include <postrider/table.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *answer;
static unsigned asked;
static struct generation *g[2];
static struct generic generic;

static void *tab_open(struct table_env *e, const char *name, char **why_r)
{
	(void)e;
	(void)why_r;
	return xstrdup(name);
}

/* Has something for every third question, so that searches go on and recursion ends. */
static enum table_result tab_lookup(void *contents, struct table_op *op, const char *key)
{
	(void)contents;
	(void)key;
	op->value = answer;
	return *answer != '\0' && ++asked % 3 == 0 ? TABLE_FOUND : TABLE_NONE;
}

static const struct table_class fuzz_class = { .abi = TABLE_ABI, .type = "fuzz", .open = tab_open, .close = free, .lookup = tab_lookup };

static struct generation *load(const char *extra)
{
	static char dir[] = "/tmp/rewrite-fuzz-XXXXXX";
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct generation *loaded;
	char path[64];
	FILE *f;

	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ASSERT(mkdtemp(dir) != NULL);
	snprintf(path, sizeof(path), "%s/main.cf", dir);
	f = fopen(path, "w");
	ASSERT(f != NULL);
	fprintf(f, "compatibility_level = 3.6\nmyhostname = mx.example.com\nmydomain = example.com\nmydestination = example.com, b.test\n"
	    "queue_directory = /nonexistent\nalias_maps =\ninet_interfaces = 127.0.0.1\n%s", extra);
	fclose(f);
	loaded = generation_load(dir, NULL, &problems);
	ASSERT(loaded != NULL);
	problems_release(&problems);
	unlink(path);
	rmdir(dir);
	return loaded;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct log_target nowhere = { .path = "/dev/null" };
	char *why;

	(void)argc;
	(void)argv;
	clock_update();
	why = log_start(&nowhere);
	ASSERT(why == NULL);
	loop_init();
	table_init();
	table_register(&fuzz_class);
	rewrite_init();
	g[0] = load("recipient_delimiter = +-\nappend_dot_mydomain = yes\nmasquerade_domains = !x.y.test y.test\n"
	    "virtual_alias_expansion_limit = 30\nvirtual_alias_recursion_limit = 30\n"
	    "canonical_maps = fuzz:c\nvirtual_alias_maps = fuzz:v\nrecipient_bcc_maps = fuzz:b\ntransport_maps = fuzz:t\n"
	    "sender_dependent_relayhost_maps = fuzz:s\nrelocated_maps = fuzz:r\n");
	g[1] = load("allow_percent_hack = no\nresolve_null_domain = yes\nresolve_numeric_domain = yes\nresolve_dequoted_address = no\n"
	    "remote_header_rewrite_domain = remote.invalid\npropagate_unmatched_extensions = generic\nrecipient_delimiter = +\n");
	generic_load(&generic, g[1], generation_view(g[1]), "smtp_generic_maps", "fuzz:g", &problems);
	problems_release(&problems);
	return 0;
}

static void nothing(struct task *t)
{
	(void)t;
}

static void route(const struct generation *gen, struct task *task, const char *addr)
{
	struct resolve_op op = { 0 };
	struct buf standard = { 0 };

	rewrite_address(gen, REWRITE_LOCAL, addr, &standard);
	resolve_start(&op, task, gen, addr, buf_str(&standard));
	ASSERT(resolve_poll(&op) == REWRITE_OK);
	ASSERT(op.transport.len > 0 && op.nexthop.len > 0);
	ASSERT((op.flags & (RESOLVE_ERROR | RESOLVE_FAIL)) != 0 || strchr(buf_str(&op.recipient), '@') != NULL);
	resolve_end(&op);
	buf_release(&standard);
}

static void header(const struct generation *gen, struct task *task, const char *value)
{
	static const struct log_ctx log = { "postfix/cleanup", 1 };
	struct expand_ctx ctx = { .generation = gen, .view = generation_view(gen), .log = &log, .queue_id = "Q" };
	struct header_op op = { 0 };
	char *text = xasprintf("To: %s", value);

	header_op_start(&op, task, &ctx, gen == g[0] ? REWRITE_LOCAL : REWRITE_REMOTE, text, 2, false);
	while (header_op_poll(&op) == REWRITE_WAIT)	/* after some addresses others have their turn */
		;
	header_op_end(&op);
	header_op_start_generic(&op, task, &generic, &log, text, 2);
	while (header_op_poll(&op) == REWRITE_WAIT)	/* after some addresses others have their turn */
		;
	header_op_end(&op);
	free(text);
}

static void expand(const struct generation *gen, struct task *task, const char *addr)
{
	static const struct log_ctx log = { "postfix/cleanup", 1 };
	struct expand_ctx ctx = { .generation = gen, .view = generation_view(gen), .log = &log, .queue_id = "Q" };
	struct expand_op op = { 0 };
	struct generic_op out = { 0 };

	expand_rcpt_start(&op, task, &ctx, addr);
	ASSERT(expand_poll(&op) != REWRITE_WAIT && op.addr.n > 0);
	expand_end(&op);
	expand_sender_start(&op, task, &ctx, addr);
	ASSERT(expand_poll(&op) != REWRITE_WAIT && op.addr.n == 1);
	expand_end(&op);
	generic_start(&out, task, &generic, &log, addr);
	ASSERT(generic_poll(&out) != REWRITE_WAIT);
	generic_end(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xstrndup((const char *)data, size), *value, *table;
	struct task task;

	task_init(&task, "fuzz", nothing);
	asked = 0;
	value = text + strcspn(text, "\n");
	if (*value != '\0')
		*value++ = '\0';
	table = value + strcspn(value, "\n");
	if (*table != '\0')
		*table++ = '\0';
	answer = table;
	for (size_t i = 0; i < NELEM(g); i++) {
		route(g[i], &task, text);
		expand(g[i], &task, text);
		header(g[i], &task, value);
	}
	task_unlink(&task);
	free(text);
	return 0;
}
