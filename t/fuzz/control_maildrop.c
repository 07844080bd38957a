/* control_maildrop.c - any bytes as a file in maildrop, read in two pieces: it is a message or refused, whatever is in it. */
#include "control_help.h"
#include "../../src/control/pickup.c"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct task owner;
static struct timer limit;

static void owner_run(struct task *t)
{
	(void)t;
	if (submission_poll(pk.sub) >= SUBMISSION_QUEUED || timer_expired(&limit))
		loop_stop();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	control_begin("");
	qmgr_start();
	task_init(&owner, "fuzz", owner_run);
	return 0;
}

/* As piece_read(). */
static bool take(const char *p, size_t n, bool last)
{
	const char *end = p + n;

	if (!take_attrs(&p, end) || (last && pk.attrs))
		return false;
	if (p < end)
		submission_data(pk.sub, p, (size_t)(end - p));
	if (last)
		submission_finish(pk.sub);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t cut = size > 0 ? data[0] % size : 0;
	const char *p = (const char *)data + (size > 0), *rest = p + cut;

	if (size > PIECE)
		return 0;
	size -= size > 0;
	cut = MIN(cut, size);
	pk.sub = submission_new(&owner, 0);
	pk.attrs = true;
	if (take(p, cut, false) && take(rest, size - cut, true)) {
		timer_start(&limit, &owner, 10000);
		task_wake(&owner);
		loop_run();
		ASSERT(submission_poll(pk.sub) >= SUBMISSION_QUEUED);
		timer_end(&limit);
	}
	submission_free(&pk.sub);
	buf_reset(&pk.head);
	return 0;
}
