# The queue's commands: what they print, their complaints and exit statuses.
BM = "mynetworks = 203.0.113.0/24 127.0.0.0/8\nmaillog_file = @ROOT@/log\nmaillog_file_prefixes = /var\nfast_flush_domains = remote.test\n"
ONE = "id=$(postqueue -j | sed -n 's/.*queue_id\": \"\\([A-Z0-9]*\\)\".*/\\1/p' | head -1); "
HIDE = " 2>&1 | sed -E \"s/$id/QID/g; s/[A-Z][a-z][a-z] [A-Z][a-z][a-z] +[0-9]+ [0-9:]{8}/TIME/; s/arrival_time\\\": [0-9]+/arrival_time/; s/ +[0-9]+ TIME/ TIME/; s/client_port[=:] ?[0-9]+/PORT/; s#^/[^ ]*/postcat#postcat#; s#usage: [^ ]*/postcat#usage: postcat#; s#(deferred|hold)/[0-9A-F]/#\\1/#; s/message_size\": [0-9]+/message_size/; s/(message_size:).*/\\1/; s/^ +[0-9]+ //\""

config("q", main=BM)

def tools(name, *commands):
    case(name, "q", "EHLO mail.client.test\n!deliver sender@good.test rcpt450@remote.test,rcpt451@remote.test\n!queue 1\n" +
         "".join("!sh sleep 0.3; " + ONE + "(" + c + ")" + HIDE + "; :\n" for c in commands))

def plain(name, *commands):
    case(name, "q", "EHLO mail.client.test\n" + "".join("!sh (" + c + ") 2>&1 | sed -E 's#^/[^ ]*/postcat#postcat#; s#usage: [^ ]*/postcat#usage: postcat#'; :\n" for c in commands))

plain("mailq-empty", "mailq; echo rc=$?", "postqueue -p; echo rc=$?", "postqueue -j; echo rc=$?", "postqueue -f; echo rc=$?")
plain("postqueue-usage", "postqueue; echo rc=$?", "postqueue -x; echo rc=$?", "postqueue -p x; echo rc=$?", "postqueue -p -f; echo rc=$?",
      "postqueue -i; echo rc=$?", "postqueue -i ''; echo rc=$?", "postqueue -i 'a b'; echo rc=$?", "postqueue -i 0123456789; echo rc=$?",
      "postqueue -s; echo rc=$?", "postqueue -s ''; echo rc=$?", "postqueue -s 'bad domain'; echo rc=$?", "postqueue -s nowhere.test; echo rc=$?",
      "postqueue -s '[1.2.3.4]'; echo rc=$?", "postqueue -s 1.2.3.4; echo rc=$?", "postqueue -c /nonexistent -p; echo rc=$?", "postqueue -j -p; echo rc=$?",
      "postqueue -j x; echo rc=$?", "postqueue -i 123 x; echo rc=$?", "postqueue -i 123 -p; echo rc=$?")
plain("postsuper-usage", "postsuper -d; echo rc=$?", "postsuper -x; echo rc=$?", "postsuper -d 'x/y'; echo rc=$?", "postsuper -d ''; echo rc=$?",
      "postsuper -d 0123456789; echo rc=$?", "postsuper -h 0123456789; echo rc=$?", "postsuper -H 0123456789; echo rc=$?", "postsuper -r 0123456789; echo rc=$?",
      "postsuper -e 0123456789; echo rc=$?", "postsuper -f 0123456789; echo rc=$?",
      "postsuper -d all; echo rc=$?", "postsuper -d ALL nosuch; echo rc=$?", "postsuper -d ALL bounce; echo rc=$?", "postsuper -d ALL active deferred; echo rc=$?",
      "postsuper -h ALL; echo rc=$?", "postsuper -H ALL; echo rc=$?", "postsuper -r ALL; echo rc=$?", "postsuper -e ALL; echo rc=$?", "postsuper -f ALL; echo rc=$?",
      "echo 0123456789 | postsuper -d -; echo rc=$?", "printf '0123456789\\nx/y\\n\\n' | postsuper -d -; echo rc=$?", "postsuper -d - -h - </dev/null; echo rc=$?",
      "postsuper -c /nonexistent -d ALL; echo rc=$?", "postsuper; echo rc=$?", "postsuper -s; echo rc=$?", "postsuper -p; echo rc=$?", "postsuper deferred; echo rc=$?", "postsuper nosuch; echo rc=$?")
plain("postcat-usage", "postcat; echo rc=$?", "postcat -x; echo rc=$?", "postcat -q; echo rc=$?", "postcat -q 0123456789; echo rc=$?", "postcat -q ''; echo rc=$?",
      "postcat -q 'x/y'; echo rc=$?", "postcat -q 'bad id'; echo rc=$?", "postcat /nonexistent/file; echo rc=$?", "postcat -c /nonexistent -q 0123456789; echo rc=$?",
      "echo junk > $ROOT/junk; postcat $ROOT/junk; echo rc=$?")
plain("not-root", "su nobody -s /bin/sh -c \"$(command -v postsuper) -d ALL\"; echo rc=$?", "su nobody -s /bin/sh -c \"$(command -v postcat) -q 0123456789\"; echo rc=$?")
tools("mailq", "mailq; echo rc=$?", "postqueue -p; echo rc=$?", "postqueue -j; echo rc=$?", "sendmail -bp; echo rc=$?")
tools("postcat", "postcat -q $id", "postcat -b -q $id; echo rc=$?", "postcat -h -q $id; echo rc=$?", "postcat -bh -q $id; echo rc=$?", "postcat -e -q $id; echo rc=$?", "postcat -eh -q $id",
      "postcat -qbh $id", "postcat -d -q $id; echo rc=$?", "postcat -r -q $id | head -5", "postcat -o -q $id | head -5", "postcat -q $id 0123456789 | tail -3")
tools("hold", "postsuper -h $id; echo rc=$?; mailq; postqueue -j", "postsuper -h $id; echo rc=$?", "postcat -e -q $id | head -1", "postsuper -H $id; echo rc=$?; mailq", "postsuper -h ALL; postsuper -h ALL; postsuper -H ALL hold; mailq")
tools("hold-queue", "postsuper -h $id hold; echo rc=$?", "postsuper -h $id active; echo rc=$?", "postsuper -h $id deferred; echo rc=$?", "postsuper -d $id deferred; echo rc=$?", "postsuper -d $id hold; echo rc=$?; mailq")
tools("expire", "postsuper -e $id; echo rc=$?; mailq; postqueue -j", "postsuper -e $id; echo rc=$?", "postsuper -h $id; postsuper -e $id; mailq")
tools("both", "postsuper -h $id; printf \"$id\\na/b\\n$id\\n\" | postsuper -f -; echo rc=$?; mailq")
tools("delete", "postsuper -d $id; echo rc=$?; mailq", "postsuper -d $id; echo rc=$?")
tools("delete-two", "postsuper -d $id -d 0123456789; echo rc=$?; mailq")
tools("stdin", "echo $id | postsuper -h -; echo rc=$?", "printf \"$id\\n$id\\n\" | postsuper -H -; echo rc=$?", "echo \" $id \" | postsuper -d -; echo rc=$?; mailq")
tools("flush", "postqueue -i $id; echo rc=$?", "postqueue -s remote.test; echo rc=$?", "postqueue -f; echo rc=$?", "sendmail -q; echo rc=$?", "sendmail -qRremote.test; echo rc=$?", "sendmail -qI$id; echo rc=$?", "sendmail -qIx/y; echo rc=$?", "sendmail -qRnowhere.test; echo rc=$?")
