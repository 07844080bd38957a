/* base_log.c - forms of the log, rotation, a daemon that comes and goes, a pipe nobody reads. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <postrider/clock.h>
#include <postrider/file.h>
#include <postrider/log.h>

#include "tap.h"

static char dir[] = "/tmp/base_log.XXXXXX";
static const struct log_ctx smtpd = { "postfix/smtpd", 4711 };

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static char *slurp(const char *path)
{
	char *text = file_read(path, 64 << 20, NULL);

	return text != NULL ? text : xstrdup("");
}

/* Waits until the file has n lines. */
static char *wait_lines(const char *path, int n)
{
	for (int i = 0; i < 500; i++) {
		char *text = slurp(path);
		int lines = 0;

		for (char *p = text; *p != '\0'; p++)
			lines += *p == '\n';
		if (lines >= n)
			return text;
		free(text);
		usleep(10000);
	}
	return slurp(path);
}

static void start(const struct log_target *t)
{
	char *why = log_start(t);

	ok(why == NULL, "log_start%s%s", why != NULL ? ": " : "", why != NULL ? why : "");
	free(why);
}

/* What a child of this program writes to standard error before log_start(). */
static void test_stderr(void)
{
	char text[512];
	int fds[2], status;
	ssize_t n;

	if (pipe(fds) < 0)
		return;
	if (fork() == 0) {
		dup2(fds[1], 2);
		log_program("postqueue");
		log_info(NULL, "hello");
		log_warn(&smtpd, "odd %s", "thing\n");
		log_debug(NULL, "not shown");
		log_fatal_status(75, "Queue report unavailable - mail system is down");
	}
	close(fds[1]);
	n = file_read_full(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	wait(&status);
	text[n > 0 ? n : 0] = '\0';
	is_str(text, "postqueue: hello\npostfix/smtpd: warning: odd thing?\n"
	    "postqueue: fatal: Queue report unavailable - mail system is down\n", "commands write to standard error");
	ok(WIFEXITED(status) && WEXITSTATUS(status) == 75, "log_fatal_status");
}

static void test_file(void)
{
	char *path = path_of("log"), *old = path_of("log.1"), *text, want[1024], host[256];
	struct log_target t = { .path = path, .mode = 0640 };
	struct stat st;
	char *why;

	gethostname(host, sizeof(host));
	host[strcspn(host, ".")] = '\0';
	setenv("TZ", "UTC", 1);
	clock_test_set(1700000000LL * 1000000 + 123456, 5);
	start(&t);
	log_info(&smtpd, "connect from %s", "x\001\xff\xc3\xa4");
	log_warn(&smtpd, "w");
	log_error(NULL, "e %d", 7);
	text = wait_lines(path, 3);
	snprintf(want, sizeof(want), "Nov 14 22:13:20 %s postfix/smtpd[4711]: connect from x??\xc3\xa4\n"
	    "Nov 14 22:13:20 %s postfix/smtpd[4711]: warning: w\n"
	    "Nov 14 22:13:20 %s postfix/postrider[%d]: error: e 7\n", host, host, host, (int)getpid());
	is_str(text, want, "file form");
	free(text);
	ok(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640, "mode of a new file");

	rename(path, old);
	usleep(1100 * 1000);
	clock_test_set(1701000000LL * 1000000, 5);
	log_info(&smtpd, "after rotation");
	text = wait_lines(path, 1);
	snprintf(want, sizeof(want), "Nov 26 12:00:00 %s postfix/smtpd[4711]: after rotation\n", host);
	is_str(text, want, "goes to the new file");
	free(text);

	t.path = "/nonexistent/dir/log";
	why = log_retarget(&t);
	ok(why != NULL && strstr(why, "No such file") != NULL, "a bad target is refused: %s", why);
	free(why);
	free(path);
	path = path_of("log.json");
	t = (struct log_target){ .path = path, .json = true };
	ok(log_retarget(&t) == NULL, "log_retarget");
	log_warn(&smtpd, "say \"hi\"");
	text = wait_lines(path, 1);
	is_str(text, "{\"time\":\"2023-11-26T12:00:00.000000Z\",\"name\":\"postfix/smtpd\",\"pid\":4711,\"level\":\"warning\","
	    "\"message\":\"say \\\"hi\\\"\"}\n", "JSON");
	free(text);
	char *big = xmalloc(5001);

	memset(big, 'a', 5000);
	big[5000] = '\0';
	log_info(&smtpd, "%s", big);
	log_stop();
	text = slurp(path);
	ok(strlen(text) > 2000 && strlen(text) < 2400, "long text is cut, log_stop drains");
	free(big);
	free(text);
	free(path);
	free(old);
}

static void *many(void *arg)
{
	int who = *(int *)arg;

	for (int i = 0; i < 20000; i++) {
		log_info(&smtpd, "thread %d line %d", who, i);
		if (i % 2000 == 0)
			usleep(15000);
	}
	return NULL;
}

static void test_threads(void)
{
	char *path = path_of("threads"), *text, *line, *cursor;
	struct log_target t = { .path = path };
	int who[4], next[4] = { 0 }, n, i, strange = 0, lines = 0;
	uint64_t lost = log_lost();
	pthread_t id[4];
	struct rusage before, after;
	int64_t from;

	start(&t);
	for (i = 0; i < 4; i++) {
		who[i] = i;
		pthread_create(&id[i], NULL, many, &who[i]);
	}
	for (i = 0; i < 4; i++)
		pthread_join(id[i], NULL);
	log_stop();
	cursor = text = slurp(path);
	lost = log_lost() - lost;
	while ((line = str_tok(&cursor, "\n")) != NULL) {
		if (sscanf(line, "%*s %*s %*s %*s postfix/smtpd[4711]: thread %d line %d", &n, &i) == 2 && n <= 3 &&
		    i >= next[n]) {
			next[n] = i + 1;
			lines++;
		} else if (strstr(line, "log lines were lost") == NULL) {
			strange++;
		}
	}
	ok(strange == 0 && lines == 80000 - (int)lost, "four threads, lines whole and in order (%d strange, %d lost)",
	    strange, (int)lost);
	free(text);

	start(&t);
	getrusage(RUSAGE_THREAD, &before);
	from = clock_fresh_us();
	for (i = 0; i < 10000; i++)
		log_info(&smtpd, "%s: client=%s[%s]", "4F1A2B3C4D5", "mail.client.test", "203.0.113.10");
	from = clock_fresh_us() - from;
	getrusage(RUSAGE_THREAD, &after);
	is_int(after.ru_nvcsw - before.ru_nvcsw, 0, "no voluntary context switch");
	diag("%.2f us per line", (double)from / 10000);
	log_stop();
	free(path);
}

static int listen_at(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	str_copy(sun.sun_path, path, sizeof(sun.sun_path));
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return -1;
	return fd;
}

static void is_datagram(int fd, const char *want, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char got[4096] = "";
	ssize_t n;

	if (poll(&p, 1, 5000) == 1 && (n = recv(fd, got, sizeof(got) - 1, 0)) >= 0)
		got[n] = '\0';
	is_str(got, want, "%s", what);
}

static void test_syslog(void)
{
	char *path = path_of("devlog"), *why;
	struct log_target t = { .facility = "nonsense" };
	int fd;

	setenv("POSTRIDER_SYSLOG_SOCKET", path, 1);
	why = log_start(&t);
	ok(why != NULL, "unknown facility: %s", why);
	free(why);
	t.facility = "mail";
	clock_test_set(1701648000LL * 1000000, 5);
	start(&t);
	log_info(&smtpd, "before the daemon");
	usleep(150000);
	fd = listen_at(path);
	is_datagram(fd, "<22>Dec  4 00:00:00 postfix/smtpd[4711]: before the daemon", "waits for the daemon");
	log_warn(&smtpd, "x");
	log_error(&smtpd, "y");
	is_datagram(fd, "<20>Dec  4 00:00:00 postfix/smtpd[4711]: warning: x", "warning");
	is_datagram(fd, "<19>Dec  4 00:00:00 postfix/smtpd[4711]: error: y", "error");
	close(fd);
	log_info(&smtpd, "while it is away");
	usleep(50000);
	fd = listen_at(path);
	is_datagram(fd, "<22>Dec  4 00:00:00 postfix/smtpd[4711]: while it is away", "connects anew");
	for (int i = 0; i < 3000; i++)
		log_info(&smtpd, "line %d", i);
	for (int i = 0; i < 3000; i++) {
		char got[200], want[200];
		ssize_t n = recv(fd, got, sizeof(got) - 1, 0);

		got[n > 0 ? n : 0] = '\0';
		snprintf(want, sizeof(want), "<22>Dec  4 00:00:00 postfix/smtpd[4711]: line %d", i);
		if (strcmp(got, want) != 0 || i == 2999) {
			is_str(got, want, "more than the socket takes at once");
			break;
		}
	}
	log_stop();
	close(fd);
	free(path);
}

/* Standard output is a pipe that nobody reads: callers go on, lines are counted, then reported. */
static void test_full_pipe(void)
{
	struct log_target t = { .path = "/dev/stdout" };
	int fds[2], real = dup(1), lines = 0;
	uint64_t lost = log_lost();
	int64_t from = clock_fresh_us();
	char text[65536];
	bool told = false;
	size_t held = 0;

	fflush(stdout);
	if (pipe(fds) < 0)
		return;
	dup2(fds[1], 1);
	free(log_start(&t));
	for (int i = 0; i < 60000; i++)
		log_info(&smtpd, "a line of some length so that the ring is full soon, number %d", i);
	from = clock_fresh_us() - from;
	lost = log_lost() - lost;
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	for (int quiet = 0; quiet < 50 && !told;) {	/* now read it: what was kept comes, and the count */
		ssize_t n = read(fds[0], text + held, sizeof(text) - held - 1);

		if (n <= 0) {
			quiet++;
			usleep(10000);
			continue;
		}
		quiet = 0;
		held += (size_t)n;
		text[held] = '\0';
		told = strstr(text, "log lines were lost") != NULL;
		char *nl = memrchr(text, '\n', held);

		if (nl == NULL)
			continue;
		for (char *p = text; p < nl; p++)
			lines += *p == '\n';
		lines++;
		held -= (size_t)(nl + 1 - text);
		memmove(text, nl + 1, held);
	}
	log_stop();
	dup2(real, 1);
	close(real);
	close(fds[0]);
	close(fds[1]);
	ok(lost > 0 && told, "%d lines lost and told", (int)lost);
	is_int(lines, 60000 - (int)lost + 1, "the others arrived");
	diag("%.2f us per line", (double)from / 60000);
}

/* Nobody reads at all: the end comes nevertheless. */
static void test_stuck_stop(void)
{
	struct log_target t = { .path = "/dev/stdout" };
	int fds[2], real = dup(1);
	int64_t from;

	fflush(stdout);
	if (pipe(fds) < 0)
		return;
	dup2(fds[1], 1);
	free(log_start(&t));
	for (int i = 0; i < 5000; i++)
		log_info(&smtpd, "a line of some length so that the pipe is full soon, number %d", i);
	from = clock_fresh_us();
	log_stop();
	from = clock_fresh_us() - from;
	dup2(real, 1);
	close(real);
	close(fds[0]);
	close(fds[1]);
	ok(from < 2500000, "log_stop gives up after a second");
}

/* A violated invariant is in the log although the process dies at once. */
static void test_bug(void)
{
	char *path = path_of("bug"), *text;
	struct log_target t = { .path = path };
	int status;

	if (fork() == 0) {
		dup2(open("/dev/null", O_WRONLY), 2);
		free(log_start(&t));
		ASSERT(getpid() == 0);
	}
	wait(&status);
	text = slurp(path);
	ok(WIFSIGNALED(status) && strstr(text, "panic: t/unit/base_log.c:") != NULL &&
	    strstr(text, "assertion failed: getpid() == 0\n") != NULL, "assertion in the log");
	free(text);
	free(path);
}

/* One life of a process whose ring is kept: logs from..to, then dies without a word, or ends well. */
static void keep_life(int keep, const char *path, int out, int from, int to, bool die)
{
	struct log_target t = { .path = path };
	int status;

	fflush(stdout);
	if (fork() == 0) {
		dup2(out, 1);
		log_keep(keep);
		if (log_start(&t) != NULL)
			_exit(1);
		for (int i = from; i < to; i++)
			log_info(&smtpd, "kept line %d.", i);
		if (die) {
			usleep(50000);	/* the thread is in the middle of it, and stuck */
			kill(getpid(), SIGKILL);
		}
		log_stop();
		_exit(0);
	}
	wait(&status);
	ok(die ? WIFSIGNALED(status) : WIFEXITED(status) && WEXITSTATUS(status) == 0, "a life of a kept ring");
}

static void test_keep(void)
{
	enum { LINES = 5000, MORE = 10 };
	static char piped[1 << 20];
	static int times[LINES + MORE];
	char *path = path_of("kept"), *line, *cursor, *text;
	int keep = log_keep_make(), fds[2], strange = 0, n, missing = 0, twice = 0;
	char junk[4096];
	ssize_t got;

	ok(keep >= 0 && pipe(fds) == 0, "log_keep_make");
	keep_life(keep, "/dev/stdout", fds[1], 0, LINES, true);
	close(fds[1]);
	got = file_read_full(fds[0], piped, sizeof(piped) - 1);
	close(fds[0]);
	piped[MAX(got, 0)] = '\0';
	keep_life(keep, path, 1, LINES, LINES + MORE, false);
	text = slurp(path);
	for (int pass = 0; pass < 2; pass++) {
		cursor = pass == 0 ? piped : text;
		while ((line = str_tok(&cursor, "\n")) != NULL) {
			if (sscanf(line, "%*s %*s %*s %*s postfix/smtpd[4711]: kept line %d.", &n) == 1 && n < LINES + MORE &&
			    line[strlen(line) - 1] == '.')
				times[n]++;
			else if (pass == 1)
				strange++;	/* what the pipe took may end in the middle of a line */
		}
	}
	for (n = 0; n < LINES + MORE; n++) {
		missing += times[n] == 0;
		twice += times[n] > 1;
	}
	is_int(missing, 0, "what the dead one could not write, the next one did");
	is_int(strange, 0, "whole and alone");
	ok(twice < LINES - MORE, "%d of %d lines were written twice", twice, LINES);
	free(text);

	/* Memory may have been spoilt before the death: any bytes at all must do no harm. */
	srand(1);
	for (int round = 0; round < 20; round++) {
		for (off_t at = round == 0 ? 0 : 4096; at < (1 << 20); at += (off_t)sizeof(junk)) {
			for (size_t i = 0; i < sizeof(junk); i++)
				junk[i] = (char)(rand() & (round % 2 == 0 ? 0xff : 0x1f));
			if (pwrite(keep, junk, sizeof(junk), at) < 0)
				strange++;
		}
		if (round > 0) {	/* a plausible head far ahead */
			uint64_t head = (uint64_t)(rand() % (1 << 20)) & ~7ULL;

			memset(junk, 0, 64);
			memcpy(junk, &head, sizeof(head));
			if (pwrite(keep, junk, 64, 0) < 0)
				strange++;
		}
		unlink(path);
		keep_life(keep, path, 1, 0, 1, false);
		text = slurp(path);
		if (strstr(text, "kept line 0.") == NULL)
			strange++;
		free(text);
	}
	is_int(strange, 0, "a spoilt ring is used again");
	close(keep);
	free(path);
}

int main(void)
{
	char cmd[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	test_stderr();
	test_keep();
	log_program("postfix/postrider");
	test_file();
	test_threads();
	test_syslog();
	test_bug();
	test_full_pipe();
	test_stuck_stop();
	snprintf(cmd, sizeof(cmd), "rm -rf %s", dir);
	if (system(cmd) != 0)
		return 1;
	return done_testing();
}
