/* configedit.h - what postconf(1) does with configuration files: show them as written or expanded, edit them in
 * place. For command-line programs: speaks through log.h, ends the process with log_fatal() where postconf does,
 * and writes its answers to a FILE. Edits keep comments, mode and owner, and replace the file by rename. */
#ifndef POSTRIDER_CONFIGEDIT_H
#define POSTRIDER_CONFIGEDIT_H
#include <postrider/base.h>
#include <stdio.h>

enum postconf_mode {
	PC_EXPAND	= 1 << 0,	/* -x: $name replaced */
	PC_FOLD		= 1 << 1,	/* -f: lines of at most 80 characters */
	PC_HIDE_NAME	= 1 << 2,	/* -h */
	PC_HIDE_VALUE	= 1 << 3,	/* -H */
	PC_DEFAULTS	= 1 << 4,	/* -d */
	PC_EXPLICIT	= 1 << 5,	/* -n */
	PC_EXCLUDE	= 1 << 6,	/* -X */
	PC_COMMENT	= 1 << 7,	/* -# */
	PC_BUILTIN	= 1 << 8,	/* -C: classes of parameters */
	PC_SERVICE	= 1 << 9,
	PC_USER		= 1 << 10,
};
struct postconf {
	const char	*dir;
	bool		 dir_given;	/* -c or MAIL_CONFIG: config_directory counts as set */
	struct strs	 overrides;	/* -o: "name=value" */
	unsigned	 mode;		/* enum postconf_mode */
	bool		 master_first;	/* set by those who show master.cf: its errors come first */
	FILE		*out;
};
/* Lists of arguments end with NULL; an empty one means everything. */
void	postconf_show_main(const struct postconf *, char *const *names);
void	postconf_show_services(const struct postconf *, char *const *patterns);	/* -M: service[/type] */
void	postconf_show_fields(const struct postconf *, char *const *patterns);	/* -F: service[/type[/field]] */
void	postconf_show_params(const struct postconf *, char *const *patterns);	/* -P: service[/type[/parameter]] */

/* PC_EXCLUDE or PC_COMMENT: arguments are names; else "name=value". */
void	postconf_edit_main(const struct postconf *, char *const *args);
void	postconf_edit_services(const struct postconf *, char *const *args);	/* service/type[=line] */
void	postconf_edit_fields(const struct postconf *, char *const *args);	/* service/type/field=value */
void	postconf_edit_params(const struct postconf *, char *const *args);	/* service/type/parameter[=value] */

/* A parameter's value as the file has it, expanded; NULL: nobody defines it. Malloced. */
char	*postconf_value(const struct postconf *, const char *name);
/* main.cf(5) from the parameter table, as mdoc. */
void	postconf_manual(FILE *out);
#endif
