/* postrider.h - the postrider program: its options and verbs, one file for each group of verbs. */
#ifndef CMD_POSTRIDER_H
#define CMD_POSTRIDER_H
#include <postrider/base.h>
#include <postrider/config.h>
#include <pwd.h>

struct options {
	const char	*config_dir;
	struct strs	 overrides;	/* -o name=value */
	const char	*test_clock;	/* socket path, NULL: the real time */
	bool		 verbose, json;
	int		 argc;		/* what follows the verb */
	char		**argv;
	char		**self_argv;	/* the options before the verb again, for our own children; NULL-terminated */
	size_t		 self_argc;
};
/* The relay: everything that handles mail, in this process, until it is told to stop. ready_fd: "ok" or the reason goes
 * there once, -1: nobody waits. Returns the exit status. */
int	relay_run(const struct options *, int ready_fd);

int	postrider_main(int argc, char **argv);	/* reads the command line, runs the verb */
/* Names every module's classes to service, so that addresses can be planned and services compiled. */
void	relay_classes_register(void);

int	command_start(const struct options *);
int	command_start_fg(const struct options *);
int	command_plan(const struct options *);	/* internal: the configuration reader of the parent */
int	command_relay(const struct options *);	/* internal: the relay under a parent */
int	command_check(const struct options *);
int	command_stop(const struct options *);
int	command_abort(const struct options *);
int	command_reload(const struct options *);
int	command_flush(const struct options *);
int	command_explain(const struct options *);
int	command_status(const struct options *);
int	command_set_permissions(const struct options *);
/* Prints problems as "postrider: warning: file: line n: text" to standard error; ours is the least level shown. */
void	print_problems(const struct problems *, enum problem_level least);
/* For check: what fits together in main.cf and master.cf, and what does not (rules.c). */
void	rules_check(const struct config *, struct problems *);
/* Why mail_owner's entry (NULL: none) is not one to run under, when started as root; malloced, NULL: it is. */
char	*owner_unfit(const struct view *, const struct passwd *);
struct config *load_main_or_exit(const struct options *);
#endif
