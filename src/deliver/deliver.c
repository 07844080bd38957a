/* deliver.c - registers the agents that end the mail's journey here. */
#include "room.h"
#include <postrider/deliver.h>

bool deliver_privileged = true;

static const struct service_class error_class = { .command = "error" };
static const struct service_class discard_class = { .command = "discard" };
static const struct service_class local_class = { .command = "local" };
static const struct service_class pipe_class = { .command = "pipe" };

void deliver_init(void)
{
	service_class_register(&virtual_class);
	service_class_register(&error_class);
	service_class_register(&discard_class);
	service_class_register(&local_class);
	service_class_register(&pipe_class);
	qmgr_agent_register(&virtual_agent);
	qmgr_agent_register(&error_agent);
	qmgr_agent_register(&discard_agent);
	qmgr_agent_register(&local_agent);
	qmgr_agent_register(&pipe_agent);
	writer_init();
}

void deliver_set_privileged(bool privileged)
{
	deliver_privileged = privileged;
}
