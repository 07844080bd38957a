# Lists of who may XCLIENT, XFORWARD and XVERP that cannot answer: what EHLO and the commands say then.
LOG = """!sh sleep 0.2; sed -nE 's/^.*postfix\\/(smtpd)\\[[0-9]*\\]: /\\1: /p' /var/oracle/maillog | grep -v 'mx.example.com.192' | sed -E 's/ [0-9A-F]{6,}:/ ID:/'; : > /var/oracle/maillog
"""
B = "relay_domains = sinka.test\n"
C = {"verp": "smtpd_authorized_verp_clients = fail:x\n", "verp-off": "smtpd_authorized_verp_clients = fail:x\nsmtpd_discard_ehlo_keywords = verp\n",
     "both": "smtpd_authorized_verp_clients = fail:x\nsmtpd_authorized_xclient_hosts = fail:x\n", "verp-some": "smtpd_authorized_verp_clients = 203.0.113.11, fail:x\n",
     "x": "smtpd_authorized_xclient_hosts = fail:x\nsmtpd_authorized_xforward_hosts = fail:x\n", "x-off": "smtpd_authorized_xclient_hosts = fail:x\nsmtpd_authorized_xforward_hosts = fail:x\nsmtpd_discard_ehlo_keywords=xclient, xforward\n",
     "forward": "smtpd_authorized_xforward_hosts = fail:x\nsmtpd_discard_ehlo_keywords=xclient\n", "keywords": "smtpd_discard_ehlo_keyword_address_maps = fail:x\n"}
for k, m in C.items():
    config(k, main=B + m)
    case(k, k, "EHLO x\nNOOP\nQUIT\n!close\n@203.0.113.11\nEHLO x\nQUIT\n!close\n@203.0.113.10\nHELO x\nMAIL FROM:<a@good.test> XVERP\nRSET\nMAIL FROM:<a@good.test> XVERP=+=\nRSET\nMAIL FROM:<a@good.test> XVERP=x FOO\nXCLIENT NAME=x\nXFORWARD NAME=x\nMAIL FROM:<a@good.test>\nRCPT TO:<u@sinka.test>\nQUIT\n!close\n" + LOG)
for i, p in enumerate(["FOO", "RET=HDRS", "ENVID=x", "SIZE=10 BODY=7BIT SMTPUTF8 AUTH=<>", "RET=HDRS ENVID=y XVERP"]):
    case("param-%d" % i, "verp", "HELO x\nMAIL FROM:<a@good.test> %s\nQUIT\n!close\n" % p + LOG)
