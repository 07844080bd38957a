/* What a client may send, as a whole session: the first byte chooses a configuration and how the bytes are cut, the
 * rest goes over the socket twice, at once and in pieces. Replies and messages must be the same, and nothing may be left. */
#include <smtpd_help.h>

#include <postrider/log.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct generation *with[4];

static void bye(void)
{
	for (size_t i = 1; i < NELEM(with); i++)
		generation_unref(&with[i]);
	client_teardown(&with[0]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const extra[NELEM(with)] = {
		"smtpd_authorized_xclient_hosts = 0.0.0.0/0\nsmtpd_authorized_xforward_hosts = 0.0.0.0/0\nline_length_limit = 512\n",
		"smtpd_forbid_bare_newline = no\nstrict_rfc821_envelopes = yes\nmessage_size_limit = 300\nsmtpd_recipient_limit = 3\n"
		"smtpd_recipient_overshoot_limit = 2\n",
		"smtpd_forbid_bare_newline = reject\nsmtpd_helo_required = yes\nsmtpd_junk_command_limit = 3\nstrict_smtputf8 = yes\n",
		"smtpd_delay_reject = no\nsmtpd_helo_restrictions = reject_invalid_helo_hostname\nsmtpd_sender_restrictions = reject_non_fqdn_sender\n"
		"smtpd_reject_footer = \\c. For help, ask $client_name.\\nor another\nsmtpd_authorized_verp_clients = 0.0.0.0/0\n",
	};
	struct log_target nowhere = { .path = "/dev/null" };
	char *why;

	(void)argc;
	(void)argv;
	client_setup();
	why = log_start(&nowhere);
	ASSERT(why == NULL);
	for (size_t i = 0; i < NELEM(with); i++)
		client_load(&with[i], extra[i]);
	atexit(bye);
	return 0;
}

static char *talk(struct generation *g, const uint8_t *data, size_t n, size_t piece)
{
	struct client c = { .half = true };
	char *heard;

	buf_reset(&box.text);
	box.opened = box.freed = 0;	/* the same ids again */
	client_start(&c, g, "203.0.113.5", (const char *)data, n, piece);
	loop_run();
	heard = buf_steal(&c.heard);
	client_end(&c);
	ASSERT(smtpd_sessions() == 0 && box.opened == box.freed);
	return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct generation *g;
	char *first, *second, *text;

	if (size < 2)
		return 0;
	g = with[data[0] % NELEM(with)];
	box.slow = false;
	first = talk(g, data + 1, size - 1, 0);
	text = xstrdup(buf_str(&box.text));
	box.slow = (data[0] & 4) != 0;
	second = talk(g, data + 1, size - 1, 1 + data[0] / 8);
	if (strcmp(first, second) != 0 || strcmp(text, buf_str(&box.text)) != 0) {
		fprintf(stderr, "--- at once\n%s%s--- in pieces of %d\n%s%s", first, text, 1 + data[0] / 8, second, buf_str(&box.text));
		abort();
	}
	free(first);
	free(second);
	free(text);
	return 0;
}
