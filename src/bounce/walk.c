/* walk.c - the recipients of a notice, one after the other: from the caller's list, or, for a message whose
 * recipients are not all in memory, from the store in slices. */
#include "bounce_int.h"

enum { SLICE = 500 };

void walk_start(struct walk *w, struct task *task, const struct bounce_request *req)
{
	*w = (struct walk){ .req = req, .task = task };
}

static void slice_drop(struct walk *w)
{
	if (w->loading)
		store_load_end(&w->load);
	w->loading = false;
}

static enum walk_result next_stored(struct walk *w, const struct rcpt **r)
{
	for (;;) {
		struct message *m;

		if (!w->loading) {
			if (w->last)
				return WALK_END;
			store_load_start(&w->load, w->task, w->req->msg->id, w->next_n, SLICE, w->req->states);
			w->loading = true;
			w->i = 0;
		}
		switch (store_load_poll(&w->load)) {
		case STORE_WAIT:
			return WALK_WAIT;
		case STORE_OK:
			break;
		case STORE_NONE:
			w->last = true;
			slice_drop(w);
			return WALK_END;
		default:
			return WALK_FAILED;
		}
		m = w->load.msg;
		if (w->i < m->nrcpt) {
			*r = &m->rcpt[w->i++];
			return WALK_RCPT;
		}
		w->last = !w->load.more || m->nrcpt == 0;
		if (m->nrcpt > 0)
			w->next_n = m->rcpt[m->nrcpt - 1].n + 1;
		slice_drop(w);
	}
}

enum walk_result walk_next(struct walk *w, const struct rcpt **r)
{
	if (w->req->rcpt == NULL)
		return next_stored(w, r);
	if (w->i == w->req->nrcpt)
		return WALK_END;
	*r = w->req->rcpt[w->i++];
	return WALK_RCPT;
}

void walk_end(struct walk *w)
{
	slice_drop(w);
}
