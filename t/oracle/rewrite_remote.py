"""Headers of strangers' mail with remote_header_rewrite_domain: what is appended where."""
F = ["a", "f@g", "a%b", "a@b.", "<a@b", "a@b@c", '"x"@y.z', "b!a", "@h:u@c", "@h:u", "a@[1.2.3.4]", "a@", "@", '""', "<>", "a.b", "a b", "a@b (c)", '"q u"', "a@.", "a@.b", "a@b..", "u%h%k", "u@h%k"]
for i, v in enumerate(["append_dot_mydomain=yes\n", "append_dot_mydomain=no\n", "append_at_myorigin=no\nappend_dot_mydomain=yes\n", "append_dot_mydomain=yes\nallow_percent_hack=no\nswap_bangpath=no\n"]):
    config("rm%d" % i, main="remote_header_rewrite_domain=dom.invalid\nlocal_header_rewrite_clients=\nrelay_domains=far.test\ndefault_transport=smtp:[198.51.100.1]\nrelay_transport=smtp:[198.51.100.1]\n" + v)
    msg("rm%d" % i, "".join("%s: %s\n" % (("To", "Cc", "Reply-To")[j % 3], f) for j, f in enumerate(F)) + "\nx\n")
    case("%d" % i, "rm%d" % i, "EHLO x\n!deliver s@good.test u@far.test rm%d\n!drain\n" % i)
