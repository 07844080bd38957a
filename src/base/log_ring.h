/* log_ring.h - private to base: the bounded ring between who logs and the log thread. */
#ifndef BASE_LOG_RING_H
#define BASE_LOG_RING_H
#include <stdatomic.h>

#include <postrider/log.h>

enum {
	LOG_TEXT_MAX = 2000,		/* of one message, as Postfix cuts it */
	LOG_NAME_MAX = 120,
	LOG_LINE_MAX = LOG_NAME_MAX + 16 + 16 + LOG_TEXT_MAX,
};

/* "postfix/smtpd[17]: warning: text": name_len bytes of name, the level word or text at head_len, the
 * text without the level word at text_off. */
struct log_rec {
	atomic_uint	 size;		/* bytes in the ring, LOG_SKIP set for the gap at its end; 0: not yet written */
	unsigned	 number;
	int64_t		 wall_us;
	uint16_t	 len, name_len, head_len, text_off;
	uint8_t		 level;
	char		 line[];	/* len bytes, not terminated */
};

/* Any thread. False: full, and counted. */
bool	log_ring_put(const struct log_rec *, const char *line);
/* The log thread: the next record, or NULL; it stays valid until log_ring_drop(). peek goes on from
 * *at (start with log_ring_tail()), drop gives everything before at back to the writers. */
uint64_t log_ring_tail(void);
const struct log_rec *log_ring_peek(uint64_t *at);
void	log_ring_drop(uint64_t at);

void	log_ring_init(void);		/* once; keeps what is in it when called again, and what log_keep() brought */
/* How many of the lost ones were told in the log so far. */
uint64_t log_ring_told(void);
void	log_ring_tell(uint64_t lost);
int	log_ring_fd(void);		/* readable when woken */
/* About to sleep: false if there is something to read after all. */
bool	log_ring_sleep(void);
void	log_ring_wake(void);
#endif
