/* reload.h - reading the configuration again while running, and what main needs of a configuration. */
#ifndef POSTRIDER_RELOAD_H
#define POSTRIDER_RELOAD_H
#include <postrider/config.h>
#include <postrider/dns.h>
#include <postrider/log.h>
#include <postrider/store.h>

struct reload;
struct task;
void	reload_init(const char *config_dir, const struct strs *overrides);	/* borrowed for good */
/* A reload is an operation. Several at a time queue up behind each other. */
struct reload *reload_start(struct task *);
int	reload_poll(struct reload *, const char **why_r);	/* 0 wait, 1 done, -1 refused: why (ours), the old one stays */
void	reload_end(struct reload **);

/* Parts of a configuration that modules without a view want. Strings are the view's. */
struct log_target reload_log_target(const struct view *);
struct dns_config reload_dns_config(const struct view *);
struct store_config reload_store_config(const struct view *, const char *dir);
/* Problems of a load: to the log, and the first fatal one as a text (malloced). */
void	reload_report(const struct problems *, const char *syslog_name);
char	*reload_first_fatal(const struct problems *);
#endif
