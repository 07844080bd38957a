/* table_net.c - any bytes as the reply of a socketmap, tcp_table or memcached server. The first byte chooses the protocol and
 * where the reply is cut into two segments; then the server hangs up, or asks to be waited for. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <postrider/config.h>
#include <postrider/loop.h>

#include "table/peer.h"
#include "table/room.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct {
	int		 fd, port, peer;
	struct tables	*set;
	struct table	*table[3];
	struct task	 task;
	struct timer	 timer;
	struct table_op	 op;
	const uint8_t	*data;
	size_t		 size, cut;
	unsigned	 passes;
	bool		 done;
} f;

static void send_part(const uint8_t *p, size_t n)
{
	if (f.peer >= 0 && n > 0 && send(f.peer, p, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		close(f.peer);
		f.peer = -1;
	}
}

/* The server's side moves on with each pass. */
static void run(struct task *t)
{
	enum table_result r = table_poll(&f.op);

	if (r != TABLE_WAIT) {
		ASSERT((r == TABLE_FOUND) == (f.op.value != NULL));
		loop_stop();
		f.done = true;
		return;
	}
	f.passes++;
	if (f.peer < 0)
		f.peer = accept(f.fd, NULL, NULL);
	if (f.passes == 2)
		send_part(f.data, f.cut);
	if (f.passes == 4)
		send_part(f.data + f.cut, f.size - f.cut);
	if (f.passes == 6 && f.peer >= 0) {
		close(f.peer);
		f.peer = -1;
	}
	if (f.passes > 12)
		loop_stop();
	else
		timer_start(&f.timer, t, 0);
}

static void start(void)
{
	static struct view view;
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	char spec[100];

	loop_init();
	table_init();
	f.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	ASSERT(bind(f.fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 && listen(f.fd, 64) == 0);
	getsockname(f.fd, (struct sockaddr *)&sin, &len);
	f.port = ntohs(sin.sin_port);
	view.v[P_smtputf8_enable].flag = true;
	view.v[P_queue_directory].str = view.v[P_data_directory].str = "/nonexistent";
	view.v[P_alias_maps].str = view.v[P_alias_database].str = "";
	view.v[P_socketmap_max_query_size].num = 1000;
	view.v[P_socketmap_max_reply_size].num = 3000;
	f.set = tables_new(&view);
	snprintf(spec, sizeof(spec), "socketmap:inet:127.0.0.1:%d:m", f.port);
	f.table[0] = table_open(f.set, spec, TABLE_ADDR, NULL, NULL);
	snprintf(spec, sizeof(spec), "tcp:127.0.0.1:%d", f.port);
	f.table[1] = table_open(f.set, spec, TABLE_ADDR, NULL, NULL);
	FILE *cf = fopen("/tmp/fuzz_table_net.cf", "w");
	fprintf(cf, "memcache = inet:127.0.0.1:%d\nmax_try = 1\ndata_size_limit = 2000\nline_size_limit = 300\n", f.port);
	fclose(cf);
	f.table[2] = table_open(f.set, "memcache:/tmp/fuzz_table_net.cf", TABLE_ADDR, NULL, NULL);
	for (int i = 0; i < 3; i++)
		ASSERT(table_broken(f.table[i]) == NULL);
	task_init(&f.task, "fuzz", run);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (f.set == NULL)
		start();
	if (size < 2 || size > 5000)
		return 0;
	f.data = data + 1;
	f.size = size - 1;
	f.cut = (data[0] >> 2) % f.size;
	f.passes = 0;
	f.peer = -1;
	f.done = false;
	table_start(&f.op, &f.task, f.table[(data[0] & 3) % 3], "a@b");
	task_wake(&f.task);
	loop_run();
	table_end(&f.op);
	timer_end(&f.timer);
	task_unlink(&f.task);
	if (f.peer >= 0)
		close(f.peer);
	while ((f.peer = accept(f.fd, NULL, NULL)) >= 0)
		close(f.peer);
	peer_release_all();
	return 0;
}
