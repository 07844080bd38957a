# sendmail(1): options, exit codes, texts, and what is delivered.
config("sm", main="relayhost = [198.51.100.1]\nmydestination =\nlocal_transport = error:none here\n")
case("none", "sm", """
!sh sendmail -V 'a b' a@good.test </dev/null; echo $?
!mail 1
!sh sendmail -f '' a@good.test </dev/null; echo $?
!mail 1
!sh printf 'x\\n' | sendmail; echo $?
!sh printf 'x\\n' | sendmail -t; echo $?
!sh printf 'To: \\n\\nx\\n' | sendmail -t; echo $?
!sh sendmail -Z; echo $?
!sh sendmail -bq; echo $?
!sh sendmail -N foo a@b; echo $?
!sh sendmail -R foo a@b </dev/null; echo $?
!sh sendmail -B foo a@b </dev/null; echo $?
!sh sendmail -bs -t </dev/null; echo $?
!sh sendmail -qS foo; echo $?
!sh sendmail -qIabc; echo $?
!sh sendmail -qRfoo.test; echo $?
!sh sendmail -q; echo $?
!sh sendmail -bd -t; echo $?
!sh sendmail -bv -t </dev/null; echo $?
!drain
!sh mailq; echo $?
!sh sendmail -t -bv a@good.test </dev/null; echo $?
""")
case("simple", "sm", """
!sh printf 'Subject: a\\n\\nbody\\n' | sendmail u@good.test; echo $?
!mail 1
!sh printf 'Subject: a\\n\\nbody\\n.\\nmore\\n' | sendmail u@good.test; echo $?
!mail 1
!sh printf 'Subject: a\\n\\nbody\\n.\\nmore\\n' | sendmail -i u@good.test; echo $?
!mail 1
!sh printf 'Subject: a\\r\\nX: y\\r\\n\\r\\nbody\\r\\n' | sendmail -oi -f me@client.test u@good.test; echo $?
!mail 1
!sh printf 'From foo Mon Jan  1\\n>From bar\\nSubject: a\\n\\nbody\\nFrom x\\n' | sendmail -oi -f me u@good.test v@good.test; echo $?
!mail 1
!sh printf 'no header at all' | sendmail -F 'A. "B" C' -f me u@good.test; echo $?
!mail 1
!sh printf 'Subject: x\\n\\n' | sendmail -F 'Plain Name' -f me u@good.test; echo $?
!mail 1
!sh printf 'To: a@good.test, "b c"@good.test\\nCc: d (x) <d@good.test>\\nBcc: e@good.test\\nSubject: t\\n\\nx\\n' | sendmail -t; echo $?
!mail 1
!sh printf 'To: a@good.test\\nResent-To: r@good.test\\nSubject: t\\n\\nx\\n' | sendmail -t z@good.test; echo $?
!mail 1
!sh printf 'Subject: x\\n\\nx\\n' | sendmail -N success,delay -R hdrs -V env-1 -B 8BITMIME u@good.test; echo $?
!mail 1
!sh printf 'Subject: x\\n\\nx\\n' | sendmail -N never u@good.test; echo $?
!mail 1
!sh printf 'Subject: x\\nReturn-Path: <q@q>\\nContent-Length: 5\\nFrom: me\\n\\nx\\n' | sendmail -Am -O foo=bar -o7 -h 5 -L lab -m -n -U -G u@good.test; echo $?
!mail 1
!sh printf 'Subject: x\\n\\nx\\n' | sendmail -f '<>' u@good.test; echo $?
!mail 1
!sh printf 'Subject: x\\n\\nx\\n' | sendmail 'a b@good.test' 'c,d@good.test'; echo $?
!mail 1
!sh printf 'Subject: x\\n\\nx\\n' | NAME='Env Name' sendmail -v u@good.test; echo $?
!mail 2
!sh sendmail -bv rcpt550@good.test u@good.test; echo $?
!mail 1
""")
case("bs", "sm", """
!sh printf 'EHLO x\\r\\nMAIL FROM:<a@b.test>\\r\\nRCPT TO:<u@good.test>\\r\\nDATA\\r\\nSubject: bs\\r\\n\\r\\nx\\r\\n.\\r\\nQUIT\\r\\n' | sendmail -bs; echo $?
!mail 1
""")
case("limits", "sm", """
!sh printf 'Subject: x\\n\\nx\\n' | runuser -u alice -- sendmail -C $CONF u@good.test; echo $?
!mail 1
""")
