# The queue manager's lines in the log, holds, flushes, filters, limits.
BM = "mynetworks = 203.0.113.0/24 127.0.0.0/8\nmaillog_file = @ROOT@/log\nmaillog_file_prefixes = /var\n"
LOG = ("!sh sleep 0.5; grep -E '(qmgr|bounce|error|smtp)\\[' $ROOT/log | grep -v 'host .* said: 4.. 4' | sed -E 's/.*postfix.([a-z]+).[0-9]+.: /\\1 /; s/ [0-9A-F]{6,16}:/ QID:/;"
       " s/notification: .*/notification: QID/; s/delay=[^ ]*, delays=[^ ]*/D/; s/size=[0-9]+/S/' | grep -v 'message repeated' | sort; : > $ROOT/log\n")

config("q", main=BM + "notify_classes = bounce, 2bounce\nbounce_notice_recipient = bn@remote.test\n2bounce_notice_recipient = 2b@remote.test\n")
config("filter", main=BM + "content_filter = smtp:[198.51.100.2]:25\n")
config("dead", main=BM + "smtp_destination_recipient_limit = 1\n")
config("etrn", main=BM + "relay_domains = remote.test, down.test\n")
config("rate", main=BM + "smtp_destination_rate_delay = 1s\n")
config("life", main=BM + "maximal_queue_lifetime = 0\n")
config("blife", main=BM + "bounce_queue_lifetime = 0\n")
config("aliased", main=BM + "virtual_alias_domains = va.test\nvirtual_alias_maps = inline:{{a@va.test=ok@remote.test},{b@va.test=rcpt450@remote.test}}\n")

case("sent", "q", """
EHLO mail.client.test
!deliver sender@good.test ok@remote.test,ok2@good.test
!mail 2
""" + LOG)
case("bounced", "q", """
EHLO mail.client.test
!deliver sender@good.test rcpt550@remote.test
!mail 2
!drain
""" + LOG)
case("twice", "q", """
EHLO mail.client.test
!deliver rcpt550@remote.test rcpt550@remote.test
!mail 2
!drain
""" + LOG)
case("deferred", "q", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test,ok@remote.test
!mail 1
!queue 1
""" + LOG + """
!sh postqueue -f; sleep 0.5
""" + LOG)
case("orig-to", "aliased", """
EHLO mail.client.test
!deliver sender@good.test a@va.test
!mail 1
!deliver sender@good.test b@va.test
!queue 1
""" + LOG)
case("filter", "filter", """
EHLO mail.client.test
!deliver sender@good.test a@remote.test,b@example.com
!mail 1
""" + LOG)
case("dead", "dead", """
EHLO mail.client.test
!deliver sender@good.test a@down.test,b@down.test,c@down.test,d@down.test,e@down.test,f@down.test,g@down.test,h@down.test,i@down.test,j@down.test
!sh sleep 0.6; grep -c 'status=deferred (connect' $ROOT/log; grep -c 'status=deferred (delivery temporarily suspended: connect to mx.down.test.198.51.100.8.:25: Connection refused)' $ROOT/log; : > $ROOT/log
!deliver sender@good.test z@down.test
""" + LOG)
case("hold", "q", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test
!queue 1
!sh id=$(postqueue -j | sed -n 's/.*queue_id": "\\([A-Z0-9]*\\)".*/\\1/p'); postsuper -h $id; postqueue -p | tail -n +2 | sed 's/^[0-9A-F]*//; s/  *[0-9]* [A-Z][a-z][a-z].*:[0-9][0-9]//'; postqueue -f; sleep 0.5; : > $ROOT/log; postsuper -H $id; sleep 1
""" + LOG)
case("delete", "q", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test
!queue 1
!sh postsuper -d ALL; postqueue -p
""" + LOG)
case("requeue", "q", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test
!queue 1
!sh postsuper -r ALL; sleep 1; postqueue -p | tail -1
""")
case("etrn", "etrn", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test
!queue 1
!sh sleep 1; : > $ROOT/log
ETRN remote.test
!sh sleep 1
""" + LOG + """
ETRN other.test
!sh postqueue -s remote.test; sleep 1
""" + LOG)
case("flush-one", "q", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test
!queue 1
!sh sleep 1; : > $ROOT/log; postqueue -i $(postqueue -j | sed -n 's/.*queue_id": "\\([A-Z0-9]*\\)".*/\\1/p'); sleep 1
""" + LOG)
case("rate", "rate", """
EHLO mail.client.test
!sh : > $ROOT/log
!deliver sender@good.test a@remote.test
!deliver sender@good.test b@remote.test
!sh sleep 0.4; grep -c status=sent $ROOT/log; sleep 1.4; grep -c status=sent $ROOT/log
""")
case("lifetime", "life", """
EHLO mail.client.test
!deliver sender@good.test rcpt450@remote.test
!mail 1
!drain
""" + LOG)
case("bounce-lifetime", "blife", """
EHLO mail.client.test
!deliver - rcpt450@remote.test
!sh sleep 1
!drain
!queue
""" + LOG)

# postsuper -r: through pickup and cleanup once more; a submission makes Postfix's pickup look at once.
config("again", main=BM + "virtual_alias_domains = va.test\nvirtual_alias_maps = hash:@CONF@/virt\ncanonical_maps = hash:@CONF@/canon\n",
       files={"virt": "a@va.test rcpt450@remote.test\nb@va.test rcpt450@remote.test\n", "canon": "x@nowhere.test y@nowhere.test\n"}, maps=["hash:virt", "hash:canon"])
AGAIN = ("!sh sleep 0.5; grep -E '(pickup|cleanup|qmgr|smtp)\\[' $ROOT/log | grep -vE 'host .* said: 4.. 4|root@good' | sed -E 's/.*postfix.([a-z]+).[0-9]+.: /\\1 /; s/ [0-9A-F]{6,16}:/ QID:/; s/orig_id=.*/orig_id=QID/; s/uid=[0-9]*/uid=N/; "
         "s/delay=[^ ]*, delays=[^ ]*/D/; s/size=[0-9]+/S/' | sort; : > $ROOT/log\n")
case("again", "again", """
EHLO mail.client.test
!deliver sender@good.test a@va.test,b@va.test,q@remote.test,rcpt452@remote.test
!queue 1
!sh sleep 1
""" + AGAIN + """
!sh printf 'rcpt450@remote.test ok2@remote.test, rcpt451@remote.test\\n' > @CONF@/virt; postmap hash:@CONF@/virt; printf 'sender@good.test newsender@good.test\\nsender@client.test newfrom@client.test' > @CONF@/canon; postmap hash:@CONF@/canon; postconf -e always_bcc=ok3@remote.test; postfix reload; sleep 2.2; : > $ROOT/log
!sh id=$(postqueue -j | sed -n 's/.*queue_id": "\\([A-Z0-9]*\\)".*/\\1/p'); postsuper -r $id 2>&1 | sed 's/[0-9A-F]\\{6,\\}/QID/'; echo x | sendmail -f root@good.test discard@good.test; sleep 2; postqueue -j | sed 's/"queue_id.*message_size": [0-9]*//; s/"delay_reason": "[^"]*"//g'
""" + AGAIN + """
!mail 3
""")
