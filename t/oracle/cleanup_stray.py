"""Lone CR, NUL, lines of line_length_limit."""
B="mynetworks = 127.0.0.0/8 203.0.113.0/24\nline_length_limit=512\n"
config("cr_y", main=B)
config("cr_n", main=B+"cleanup_replace_stray_cr_lf=no\n")
config("cr_m", main=B+"message_strip_characters=\\r\n")
msg("c","%bytes nocase\nSubject: a\\x0db\\r\\nX: y\\x0d\\x0d\\r\\nContent-Type: multipart/mixed; boundary=b\\r\\n\\r\\n--b\\r\\nSubject: q\\x0dz\\r\\n\\r\\nbody\\x0dxyz\\r\\nend\\x0d\\r\\n\\x0d\\r\\n\\x00nul\\x00\\r\\n.\\r\\n")
for c in "ynm":
    case(c, "cr_" + c,"EHLO x\nMAIL FROM:<s@good.test>\nRCPT TO:<u@good.test>\nDATA\n!msgraw c\n!mail 1\n!rawexpr b'MAIL FROM:<s@good.test>\\r\\nRCPT TO:<u@good.test>\\r\\nDATA\\r\\n'\n!read 3\n!rawexpr b'Subject: x\\r\\n\\r\\n'+b'a'*511+b'\\r\\n'+b'b'*511+b'\\rc\\r\\n'+b'd'*512+b'\\r\\n'+b'e'*510+b'\\r\\r\\n.\\r\\n'\n!read 1\n!mail 1\n")
