/* main.cf(5), as mdoc, from the parameter table: what a parameter is for, its default, and where it stands. The text
 * around the list is here too, so that the page has one source. */
#include <postrider/buf.h>
#include <postrider/config.h>
#include <postrider/configedit.h>

#define WIDTH	78

static const char head[] =
    ".\\\" Made from the parameter table by \"postconf -E\": do not edit.\n"
    ".Dd November 21, 2026\n"
    ".Dt MAIN.CF 5\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm main.cf\n"
    ".Nd configuration parameters of postrider\n"
    ".Sh DESCRIPTION\n"
    ".Nm\n"
    "holds the parameters of the mail server.\n"
    "Its names, syntax and defaults are those of Postfix, whose files are used\n"
    "unchanged; names that begin with\n"
    ".Dq postrider_\n"
    "are postrider's own.\n"
    ".Pp\n"
    "A logical line has the form\n"
    ".Dq name = value .\n"
    "A line that begins with white space continues the one before.\n"
    "Empty lines and lines whose first visible character is\n"
    ".Sq #\n"
    "are ignored, also between continuation lines.\n"
    "When a name is set twice, the last value counts and a warning is given.\n"
    ".Pp\n"
    "In a value,\n"
    ".Dq $name ,\n"
    ".Dq ${name}\n"
    "and\n"
    ".Dq $(name)\n"
    "stand for the value of another parameter.\n"
    ".Dq ${name?text}\n"
    "is the text if the parameter is not empty,\n"
    ".Dq ${name:text}\n"
    "if it is empty or undefined, and\n"
    ".Dq ${name?{text1}:{text2}}\n"
    "one or the other.\n"
    "In place of the name, a comparison may stand:\n"
    ".Dq ${{a} == {b} ? {text1} : {text2}} ,\n"
    "with the operators ==, !=, <, <=, >= and >, which compare as numbers if both\n"
    "sides are made of digits, and the same with\n"
    ".Dq level\n"
    "behind them, which compare compatibility levels.\n"
    ".Dq $$\n"
    "is a dollar sign.\n"
    "Names that are not in this page may be set and used in the same way.\n"
    ".Pp\n"
    "A number is decimal.\n"
    "A time is a number and a unit: s, m, h, d or w; without a unit it has the unit\n"
    "of the default.\n"
    "A yes or no value is\n"
    ".Dq yes\n"
    "or\n"
    ".Dq no .\n"
    "A service sees these values with the\n"
    ".Fl o\n"
    "settings of its line in\n"
    ".Xr master.cf 5 .\n"
    ".Ss Standing\n"
    "Every parameter of Postfix is known, and none is silently ignored.\n"
    "Where nothing else is said, the parameter works.\n"
    "A parameter\n"
    ".Em without effect\n"
    "tunes something that does not exist in a single process; the reason is given.\n"
    "One that is\n"
    ".Em not implemented yet\n"
    "is accepted with a warning at start, and reported by\n"
    ".Dq postrider check ;\n"
    "where ignoring it would weaken security, a server with it set does not start.\n"
    ".Ss Parameters of transports\n"
    "For every delivery service NAME of\n"
    ".Xr master.cf 5 ,\n"
    "the limits of the queue scheduler can be set under its name:\n";

static const char tail[] =
    ".El\n"
    ".Sh FILES\n"
    ".Bl -tag -width Ds -compact\n"
    ".It Pa /etc/postrider/main.cf\n"
    "read if it exists, else\n"
    ".It Pa /etc/postfix/main.cf\n"
    ".El\n"
    ".Sh SEE ALSO\n"
    ".Xr postconf 1 ,\n"
    ".Xr master.cf 5 ,\n"
    ".Xr postrider 8\n";

/* Words in lines of bounded length, safe as text: no request or escape among them. */
static void add_text(struct buf *out, const char *text)
{
	struct strs words = { 0 };
	size_t column = 0;

	strs_split(&words, text, " \t\n");
	for (size_t i = 0; i < words.n; i++) {
		const char *p = words.v[i];
		size_t len = strlen(p);
		bool ends = i > 0 && strchr(".?!", words.v[i - 1][strlen(words.v[i - 1]) - 1]) != NULL;

		if (column > 0 && (column + 1 + len > WIDTH || ends)) {
			buf_addc(out, '\n');
			column = 0;
		} else if (column > 0) {
			buf_addc(out, ' ');
			column++;
		}
		if (column == 0 && (*p == '.' || *p == '\''))
			buf_adds(out, "\\&");
		for (; *p != '\0'; p++) {
			if (*p == '\\')
				buf_adds(out, "\\e");
			else
				buf_addc(out, *p);
		}
		column += len;
	}
	if (words.n > 0)
		buf_addc(out, '\n');
	strs_release(&words);
}

static const char *type_name(enum param_type type)
{
	switch (type) {
	case PT_INT:
	case PT_LONG:
		return "a number";
	case PT_TIME:
		return "a time";
	case PT_BOOL:
		return "yes or no";
	default:
		return NULL;
	}
}

static void add_default(struct buf *out, const struct param_row *row)
{
	const char *type = type_name(row->type);
	struct buf line = { 0 };

	if (row->type == PT_INT || row->type == PT_LONG) {
		buf_addf(&line, "Default: %s;", row->def);
		if (row->lo != 0 && row->hi != 0)
			buf_addf(&line, " %lld to %lld.", (long long)row->lo, (long long)row->hi);
		else if (row->lo != 0)
			buf_addf(&line, " at least %lld.", (long long)row->lo);
		else if (row->hi != 0)
			buf_addf(&line, " at most %lld.", (long long)row->hi);
		else
			buf_addf(&line, " %s.", type);
	} else if (*row->def == '\0') {
		buf_adds(&line, "Default: empty.");
	} else if (type != NULL) {
		buf_addf(&line, "Default: %s; %s.", row->def, type);
	} else {
		buf_addf(&line, "Default: %s", row->def);
	}
	add_text(out, buf_str(&line));
	buf_release(&line);
}

static void add_row(struct buf *out, const struct param_row *row)
{
	buf_addf(out, ".It Cm %s\n", row->name);
	switch (row->standing) {
	case PS_WORKS:
		add_text(out, row->text);
		break;
	case PS_NO_EFFECT:
		buf_adds(out, ".Em Without effect :\n");
		add_text(out, row->text);
		break;
	case PS_UNFINISHED:
	case PS_UNFINISHED_SECURITY:
		add_text(out, row->text);
		buf_adds(out, ".Em Not implemented yet .\n");
		break;
	case PS_REFUSED:
		buf_adds(out, ".Em Refused :\n");
		add_text(out, row->text);
		break;
	}
	buf_adds(out, ".br\n");
	add_default(out, row);
}

void postconf_manual(FILE *out)
{
	static const char *const suffixes = "NAME_recipient_limit, NAME_extra_recipient_limit, "
	    "NAME_recipient_refill_limit, "
	    "NAME_recipient_refill_delay, NAME_delivery_slot_cost, NAME_delivery_slot_loan, "
	    "NAME_delivery_slot_discount, "
	    "NAME_minimum_delivery_slots, NAME_initial_destination_concurrency, NAME_destination_concurrency_limit, "
	    "NAME_destination_recipient_limit, NAME_destination_concurrency_positive_feedback, "
	    "NAME_destination_concurrency_negative_feedback, NAME_destination_concurrency_failed_cohort_limit, "
	    "NAME_destination_rate_delay, NAME_transport_rate_delay, and for pipe and spawn services NAME_time_limit. "
	    "Each defaults to the parameter of the same meaning that begins with default_ (or is "
	    "initial_destination_concurrency, command_time_limit).";
	struct buf text = { 0 };

	buf_adds(&text, head);
	add_text(&text, suffixes);
	buf_adds(&text, ".Sh PARAMETERS\n.Bl -tag -width Ds\n");
	for (size_t i = 0; i < PARAM_COUNT; i++)
		add_row(&text, &param_rows[i]);
	buf_adds(&text, tail);
	fwrite(buf_str(&text), 1, text.len, out);
	buf_release(&text);
}
