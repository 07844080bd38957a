# message_size_limit is for the whole queue file: content and envelope. Sizes a little below and above.
D = "EHLO x.y\nMAIL FROM:<a@good.test>%s\nRCPT TO:<u@sinka.test>%s\n%sDATA\n!raw 'Subject: x\\r\\n\\r\\n%s\\r\\n.\\r\\n'\n!read\n"
for l in (820, 835, 845, 875, 890, 1000):
    c = "q%d" % l
    config(c, main="relay_domains = sinka.test\ndefer_transports = relay, smtp\nsmtpd_client_restrictions = check_client_access static:{HOLD}\nmessage_size_limit = %d\n" % l)
    case(c + "a", c, D % ("", "", "", "body"))
for l in (6000, 5000):
    c = "q%d" % l
    config(c, main="relay_domains = sinka.test\ndefer_transports = relay, smtp\nsmtpd_client_restrictions = check_client_access static:{HOLD}\nmessage_size_limit = %d\n" % l)
    for n in (l - 900, l - 870, l-820, l-20, l-14, l-13, l-10):
        case("%s-%d" % (c, n), c, D % ("", "", "", "\\r\\n".join(["x" * 98] * (n // 100)) + "\\r\\n" + "y" * (n % 100)))
