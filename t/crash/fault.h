/* fault.h - the fault shim's control file: 64-bit numbers, mapped by every process under the shim, written by the test
 * while they run (t/lib/Postrider/Fault.pm knows the order). All zero: nothing happens but counting. */
#ifndef CRASH_FAULT_H
#define CRASH_FAULT_H
#include <stdatomic.h>
#include <stdint.h>

typedef _Atomic int64_t fault_t;
struct fault {
	/* Failures. An errno for each sort of call, 0: none. */
	fault_t	 write_errno;		/* writes that are no barrier */
	fault_t	 sync_errno;		/* fsync, fdatasync */
	fault_t	 dsync_errno;		/* writes through O_DSYNC and O_SYNC descriptors: LMDB's meta page */
	fault_t	 skip;			/* let so many calls of these sorts pass first */
	fault_t	 count;			/* then fail so many; -1: all */
	fault_t	 one_in;		/* of these only every n-th on average; 0, 1: each */
	fault_t	 landed;		/* a failing write: 0 is not made, 1 is made nevertheless, 2 is made by half */
	/* A file system of its own. */
	fault_t	 fs_bytes;		/* size; 0: the real one. Writes beyond it come out short, then ENOSPC; statvfs agrees */
	/* A slow disk: one barrier at a time, over all processes. */
	fault_t	 delay_us;
	fault_t	 busy_until_us;		/* the shim's: monotonic time at which the disk is idle again */
	/* Counted. */
	fault_t	 barriers;		/* fsync, fdatasync, each O_DSYNC or O_SYNC write */
	fault_t	 writes;		/* others */
	fault_t	 failures;		/* injected, short writes included */
	fault_t	 seed;			/* of one_in */
};
enum { FAULT_FILE = 4096 };
#endif
