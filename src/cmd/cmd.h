/* cmd.h - what the command-line programs share. */
#ifndef CMD_H
#define CMD_H
#include <postrider/base.h>
#include <postrider/config.h>

const char *cmd_name(const char *argv0);		/* last part of a path */
/* -C of sendmail takes a directory or the main.cf in it: the directory. May be argument itself, or malloced. */
const char *cmd_config_dir(const char *arg);
/* Path of another program of ours: beside this one. Malloced. */
char	*cmd_sibling(const char *name);
/* Parameters of main.cf; a configuration that cannot be used ends the program with its reason. */
struct config *cmd_load(const char *config_dir);
#endif
