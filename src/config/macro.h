/* macro.h - the macro language with everything the room itself needs: exact messages, nested evaluation. */
#ifndef CONFIG_MACRO_H
#define CONFIG_MACRO_H
#include <postrider/base.h>
#include <postrider/buf.h>

#define MACRO_DEPTH	100	/* Postfix's limit on nested expressions */
#define MACRO_MAX	(1 << 20)	/* bytes of one expanded value: $a$a chains double at every step */

enum macro_mode {
	MACRO_USE,	/* the value goes into the result: expanded text wanted */
	MACRO_TEST,	/* ${name?..}, ${name:..}: only asks whether the unexpanded value is empty */
};
struct macro {
	const char *(*lookup)(struct macro *, const char *name, enum macro_mode);	/* NULL: undefined */
	void	*arg;
	int	 depth;		/* expressions open now */
	const char *phrase;	/* static, set by the first error */
	char	 why[200];	/* the same with its text, worded as Postfix does */
};
/* Appends to out; false after an error, with phrase and why set. A lookup that fails sets phrase itself. */
bool	macro_run(struct macro *, struct buf *out, const char *text);
/* Calls seen() for every name that the text could look up, whatever its conditions say; stops at a syntax error. */
void	macro_names(const char *text, void (*seen)(void *arg, const char *name, size_t len), void *arg);

/* "3.6", "2", "3.7.1" as a number that compares; false: malformed. */
bool	compat_level(const char *s, int64_t *r);
#endif
