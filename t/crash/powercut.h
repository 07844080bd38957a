/* powercut.h - shared by the files of powercut: the log, the image of the disk, what is owed, the walk. */
#ifndef CRASH_POWERCUT_H
#define CRASH_POWERCUT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "record.h"

/* ---- powercut_log.c: the recorder's log as a list of events, ends joined to their begins ---- */
enum event_kind { EV_WRITE, EV_TRUNCATE, EV_GROW, EV_SYNC, EV_SYNC_END, EV_WRITE_END, EV_NOTE,
	EV_NAMED /* it got its name: until then another stood there, or none */ };
struct event {
	enum event_kind	 kind;
	bool		 dsync;		/* WRITE: a barrier for itself */
	bool		 failed;	/* WRITE, WRITE_END, SYNC_END: the program was told so */
	int64_t		 off;		/* WRITE; TRUNCATE, GROW: the size */
	uint32_t	 len;
	const char	*data;		/* WRITE, NOTE */
	size_t		 begin;		/* _END: index of the event that began it */
};
struct log {
	struct event	*ev;
	size_t		 n, cap;
	void		*map;
	size_t		 size;
	const char	*first_name;	/* the one before EV_NAMED, NULL if there is no such event */
};
char	*log_read(struct log *, const char *path, const char *file);	/* of one file; NULL or the reason, static or malloced */
void	log_release(struct log *);

/* ---- powercut_image.c: what is on the disk for certain, and what may be ---- */
struct unit {			/* a part of a write within one page, or a change of size */
	enum event_kind	 kind;	/* EV_WRITE, EV_TRUNCATE, EV_GROW */
	int64_t		 off;
	uint32_t	 len;
	const char	*p;
	size_t		 event;	/* which it is of */
};
struct units { struct unit *v; size_t n, cap; };
struct image {
	char		*base;		/* durable bytes */
	int64_t		 size;
	struct units	 limbo;		/* older: writes behind a failed barrier; they may be there, now or ever */
	struct units	 pending;	/* since the last barrier */
	int		 fd;		/* the file in which images are made */
	char		*path;
	struct units	 spoilt;	/* where it differs from base */
};
enum take { TAKE_NONE, TAKE_ALL, TAKE_TORN };	/* of a unit: torn is by sectors, see image_make() */
void	image_open(struct image *, const char *path);
void	image_write(struct image *, const struct log *, size_t event);
void	image_synced(struct image *, size_t before, bool failed);	/* a barrier over all events before this one */
void	image_dsynced(struct image *, size_t event, bool failed);
/* The file becomes base with those units of limbo, then pending, that take[] says; limbo's come first in take[]. */
void	image_make(struct image *, const unsigned char *take, uint64_t seed);
void	image_release(struct image *);

/* ---- powercut_model.c: what is owed ---- */
struct known {
	uint32_t	 rcpts;		/* 0: never heard of */
	bool		 owed, may_go, gone;
	uint32_t	 may_go_rcpts;
	unsigned	 tries_min, tries_max;
	unsigned char	*rcpt;		/* KNOWN_* for each recipient; NULL while nothing happened to any */
	uint32_t	 stamp;		/* of the walk that saw it */
	size_t		 owed_at;	/* its place in owed[] */
};
enum { KNOWN_MAY_GO = 1, KNOWN_GONE = 2 };
struct model {
	struct known	*v;
	size_t		 n;		/* numbers below this are in v */
	uint64_t	*owed;
	size_t		 owed_n, owed_cap;
	uint64_t	 acknowledged;
	uint32_t	 stamp;
};
void	model_note(struct model *, const char *text, size_t len);
struct known *model_find(struct model *, uint64_t n);	/* NULL: never heard of */
void	model_release(struct model *);

/* ---- powercut_walk.c: through a whole environment ---- */
struct walk {
	struct model	*model;
	bool		 smtp;		/* written by the server: others' messages may be there, and a message twice */
	bool		 drafts;	/* unfinished messages may be there */
	char		 why[512];	/* what is wrong, "" if nothing */
	uint64_t	 messages, pages;
};
bool	walk_queue(struct walk *, const char *dir);	/* as it stands, read only; false: see why */
bool	walk_recover(struct walk *, const char *dir);	/* as the server would: opens, sweeps, puts one more; then walks */
#endif
