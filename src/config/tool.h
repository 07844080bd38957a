/* tool.h - what the files behind configedit.h share. A tool_service is a line of master.cf as postconf shows it:
 * nothing is judged beyond the syntax of its fields, nothing dropped. */
#ifndef CONFIG_TOOL_H
#define CONFIG_TOOL_H
#include <postrider/configedit.h>
#include "internal.h"

#define FIELDS		8	/* service, type, private, unprivileged, chroot, wakeup, process_limit, command */

struct tool_param { char *name, *value; bool used; };
struct tool_service {
	struct strs	 argv;		/* fields, then arguments without braces; -o as two words */
	struct tool_param *param;	/* from -o, the last of a name wins; sorted by name */
	size_t		 nparam;
};
struct tool {
	const struct postconf *o;
	struct config	*c;		/* symbols and unexpanded values; used: see mark arrays */
	unsigned char	*used;		/* by symbol: some value mentions it */
	struct tool_service *svc;
	size_t		 nsvc;
};
void	tool_open(struct tool *, const struct postconf *);	/* reads both files */
void	tool_close(struct tool *);
void	tool_mark_used(struct tool *);		/* also warns about undefined names */
void	tool_warn_unused(const struct tool *, bool main_cf);	/* main.cf's (if asked) and master.cf's */

/* With PC_EXPAND the expanded value (malloced, as always); svc: whose -o come first, or NULL. */
char	*tool_value(const struct tool *, const struct tool_service *svc, const char *raw);
char	*tool_expanded(const struct tool *, const struct tool_service *, const char *raw);	/* as it stands where that is no good */
/* Warns when the value cannot be expanded; ends the process if that is fatal. asked, or NULL: the names met until then. */
bool	tool_expands(const struct tool *, const struct tool_service *, const char *raw, bool fatal, struct strs *asked);
void	tool_print_line(const struct postconf *, const char *name, const char *value);

/* master.cf. */
extern const char *const field_names[FIELDS];
void	service_parse(struct tool_service *, const char *text);	/* ends the process on a bad field count or value */
void	service_params(struct tool_service *);			/* after argv changed */
void	service_release(struct tool_service *);
void	service_check_field(int field, const char *value, const char *whole);
bool	service_matches(const struct tool_service *, char *const *pattern, int n);	/* name, type */
void	service_print(const struct tool *, FILE *out, unsigned mode, const struct tool_service *);
void	service_print_command(const struct tool *, FILE *out, unsigned mode, const struct tool_service *,
    size_t column);
/* "a/b/c" in place into at most n parts, "*" for those missing; false: more than n. */
bool	pattern_split(char *text, char **part, int n, int *given_r);
#endif
