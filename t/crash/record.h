/* record.h - the recorder's log: what a store wrote, in which order, between which barriers.
 *
 * A file mapped by every process under the shim: a head, then records at multiples of 64 bytes, reserved by an atomic add.
 * A record counts once its mark is set, so a process may be killed at any time. Begin and end of an operation are two
 * records: what was acknowledged between them was acknowledged while the operation ran. A plain write has an end only if it
 * came out short or failed; a write through an O_DSYNC descriptor and a sync always have one, unless the process died in it. */
#ifndef CRASH_RECORD_H
#define CRASH_RECORD_H
#include <stdatomic.h>
#include <stdint.h>

enum { RECORD_HEAD = 4096, RECORD_ALIGN = 64 };
#define RECORD_MAGIC	0x316365725f727021ull
#define RECORD_MARK	0x7fb1a2d9u

enum record_kind {
	RECORD_OPEN = 1,	/* data: path below the directory */
	RECORD_WRITE,		/* data at off */
	RECORD_TRUNCATE,	/* to off bytes */
	RECORD_ALLOCATE,	/* off, len: room made; may grow the file with zeros */
	RECORD_SYNC,		/* fsync, fdatasync, msync: covers what was written to the file before */
	RECORD_END,		/* of op, with result */
	RECORD_MAPPED,		/* a shared mapping for writing: what goes through it is not seen */
	RECORD_NOTE,		/* data: what the workload says, see mail.h */
	RECORD_RENAME,		/* data: the old path, a NUL, the new one; taken to be on the disk at once */
};
enum { RECORD_DSYNC = 1 };	/* flags of a write: durable by itself when it returns, and only itself */

struct record_head {
	uint64_t	 magic;
	uint64_t	 size;			/* of the file */
	_Atomic uint64_t end;			/* where the next record goes; beyond size: records were lost */
};
struct record {
	_Atomic uint32_t mark;			/* RECORD_MARK when whole */
	uint16_t	 kind;
	uint16_t	 flags;
	uint32_t	 size;			/* of this record, a multiple of RECORD_ALIGN */
	uint32_t	 len;			/* of the data */
	int32_t		 pid;
	int32_t		 file;			/* number within its process */
	int64_t		 off;
	int64_t		 result;		/* END: what the call returned, negative errno when it failed */
	uint64_t	 op;			/* END: where the begin is */
	char		 data[];
};
#endif
