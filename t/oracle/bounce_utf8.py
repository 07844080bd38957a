# SMTPUTF8 and ORCPT of mail and notices with addresses that are not ASCII.
B = "mynetworks = 203.0.113.0/24 127.0.0.0/8\nlocal_recipient_maps =\n"
config("a", main=B)
config("c", main=B+"canonical_maps = inline:{ {s@good.test=s\u00e9@good.test} {u@good.test=\u00fc@good.test} }\n")
config("al", main=B+"smtputf8_autodetect_classes = all\n")
for c in ("a", "c", "al"):
  for i, (f, r, u) in enumerate([("s\u00e9@good.test", "rcpt550@remote.test", ""), ("s\u00e9@good.test", "rcpt550@remote.test", " SMTPUTF8"), ("s@good.test", "\u00fc@good.test", ""), ("s@good.test", "\u00fc@good.test", " SMTPUTF8"), ("s@good.test", "u@good.test", ""), ("s@good.test", "u@good.test", " SMTPUTF8"), ("s@good.test", "rcpt55\u00e9@remote.test", ""), ("s@good.test", "\u00fc@no8bit.test", " SMTPUTF8"), ("s@good.test", "\u00fc@no8bit.test", ""), ("s\u00e9@good.test", "rcpt550\u00fc@remote.test", " SMTPUTF8")]):
    case("%s-%d" % (c, i), c, "EHLO x\nMAIL FROM:<%s>%s\nRCPT TO:<%s>\nDATA\n!msg\n!drain\n" % (f, u, r))
