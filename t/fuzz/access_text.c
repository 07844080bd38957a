/* Text that restriction lists meet when they run: the first byte says whether the rest is the result of an access map
 * (which may be a list of restrictions) or a reply template. What waits for the network is abandoned. */
#include <postrider/access.h>
#include <postrider/dns.h>
#include <postrider/loop.h>
#include <postrider/table.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <postrider/clock.h>
#include <postrider/log.h>
#include <postrider/rewrite.h>
#include <postrider/service.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *answer;
static struct generation *g;

static void *tab_open(struct table_env *e, const char *name, char **why_r)
{
	(void)e;
	(void)why_r;
	return xstrdup(name);
}

static enum table_result tab_lookup(void *contents, struct table_op *op, const char *key)
{
	(void)contents;
	(void)key;
	op->value = answer;
	return TABLE_FOUND;
}

static const struct table_class fuzz_class = { .abi = TABLE_ABI, .type = "fuzz", .open = tab_open, .close = free, .lookup = tab_lookup };

static void *compile(struct service *s, struct problems *problems)
{
	return access_compile(s, problems);
}

static void release(void *state)
{
	struct access_lists *l = state;

	access_lists_free(&l);
}

static const struct service_class smtpd_class = { .command = "smtpd", .takes_connections = true, .compile = compile, .release = release };

static void write_file(const char *dir, const char *name, const char *text)
{
	char path[64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	ASSERT(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static char dir[] = "/tmp/access-fuzz-XXXXXX";
	struct problems problems = TAILQ_HEAD_INITIALIZER(problems);
	struct dns_config dns = { .hosts = "/dev/null", .resolv_conf = "/dev/null", .servers = "127.0.0.1:1" };
	struct log_target nowhere = { .path = "/dev/null" };
	char cmd[64], *why;

	(void)argc;
	(void)argv;
	clock_update();
	why = log_start(&nowhere);
	ASSERT(why == NULL);
	loop_init();
	table_init();
	table_register(&fuzz_class);
	service_class_register(&smtpd_class);
	rewrite_init();
	dns_init(&dns);
	ASSERT(mkdtemp(dir) != NULL);
	write_file(dir, "main.cf", "compatibility_level = 3.6\nmyhostname = mx.example.com\nmydestination = example.com\nlocal_recipient_maps =\n"
	    "relay_domains =\nmynetworks = 127.0.0.1\ninet_interfaces = 127.0.0.1\nqueue_directory = /nonexistent\nalias_maps =\n"
	    "smtpd_restriction_classes = c\nc = check_sender_access fuzz:x\n"
	    "smtpd_sender_restrictions = check_sender_access fuzz:x, c\n");
	write_file(dir, "master.cf", "2525 inet n - n - - smtpd\n");
	g = generation_load(dir, NULL, &problems);
	ASSERT(g != NULL);
	problems_release(&problems);
	snprintf(cmd, sizeof(cmd), "rm -r %s", dir);
	return system(cmd) == 0 ? 0 : 1;
}

static void nothing(struct task *t)
{
	(void)t;
}

static void run_rules(const struct access_facts *f, const char *text)
{
	struct access_memory memory = { 0 };
	struct access_actions actions = { 0 };
	struct access_op op = { 0 };
	struct access_lists *l = service_find(g, "smtpd")->state;
	struct task task;

	task_init(&task, "fuzz", nothing);
	answer = text;
	access_start(&op, &task, l, ACCESS_RCPT, f, &memory, &actions);
	for (int looks = 0; looks < 3; looks++) {
		enum access_verdict v = access_poll(&op);

		ASSERT(v != ACCESS_REJECT || op.reply[0] == '4' || op.reply[0] == '5');
		if (v != ACCESS_WAIT)
			break;
	}
	access_end(&op);
	access_memory_release(&memory);
	access_actions_release(&actions);
	task_unlink(&task);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct log_ctx log = { "postfix/smtpd", 1 };
	struct sockaddr_in sin = { .sin_family = AF_INET };
	struct access_facts f = { .service = service_find(g, "smtpd"), .view = service_find(g, "smtpd")->view, .log = &log,
		.client_sa = (struct sockaddr *)&sin, .client = "c.test[192.0.2.1]", .client_name = "c.test", .client_rev_name = "c.test",
		.client_addr = "192.0.2.1", .client_port = "1", .client_name_status = 2, .client_rev_status = 2, .helo = "h.test",
		.protocol = "ESMTP", .sender = "a+b@s.test", .recipient = "u@example.com", .command = "RCPT" };
	struct buf out = { 0 };
	char *text;

	if (size < 2)
		return 0;
	inet_pton(AF_INET, "192.0.2.1", &sin.sin_addr);
	text = xstrndup((const char *)data + 1, size - 1);
	if (data[0] % 2 == 0) {
		run_rules(&f, text);
	} else {
		if (access_expand(&out, text, &f))
			ASSERT(strstr(buf_str(&out), "\r") == NULL || strchr(text, '\r') != NULL);
		buf_release(&out);
	}
	free(text);
	return 0;
}
