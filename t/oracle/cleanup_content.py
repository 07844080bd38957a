"""Content on its way into the queue: hops, sizes, long lines, missing and dropped headers, duplicates."""
B="mynetworks = 127.0.0.0/8 203.0.113.0/24\n"
config("cl_d", main=B+"hopcount_limit=5\nmessage_size_limit=3000\nline_length_limit=512\n")
config("cl_l", main=B+"local_header_rewrite_clients=static:all\n")
config("cl_a", main=B+"always_add_missing_headers=yes\nundisclosed_recipients_header = To: undisclosed-recipients:;\n")
config("cl_c", main=B+"message_strip_characters=\\0xyz\nmessage_reject_characters=Q\nenable_original_recipient=no\nmessage_drop_headers=bcc,x-drop,date\n")
config("cl_long", main=B+"enable_long_queue_ids=yes\nlocal_header_rewrite_clients=static:all\n")
M={}
for n in (2,3,4,5,6):
    M["hops%d"%n]="".join("Received: x%d\n"%i for i in range(n))+"Subject: x\n\nb\n"
M["size"]="Subject: x\n\n"+("x"*98+"\n")*40
M["longline"]="Subject: "+"x"*700+"\n\n"+"y"*511+"\n"+"z"*512+"\n"+"w"*513+"\n"+"v"*1024+"\nend\n"
M["mid1"]="Message-Id:   <a@b>  \nSubject: x\n\nb\n"
M["mid2"]="Message-Id:\n\t<a@b>\nResent-Message-Id: <r@b> (x)\nSubject: x\n\nb\n"
M["mid3"]="Message-Id:\nSubject: x\n\nb\n"
M["mid4"]="Message-Id: <a@b>\nMessage-Id: <c@d>\n\nb\n"
M["res1"]="Resent-From: x\nResent-Date: y\nSubject: x\n\nb\n"
M["res2"]="From: a@b\nDate: z\nMessage-Id: <x>\nTo: q\nResent-Bcc: x\nSubject: x\n\nb\n"
M["res3"]="From: a@b\nResent-Cc: q\n\nb\n"
M["full"]="From: a@b\nDate: z\nMessage-Id: <x>\nTo: q\n\nb\n"
M["drop"]="Bcc: x\nX-Drop: y\nContent-Length: 4\nReturn-Path: <z>\n\nxyz Q\n"
M["drop2"]="Bcc: x\nX-Drop: y\nContent-Length: 4\nReturn-Path: <z>\n\nxyz A\n"
M["utf"]="Subject: é\n\né\n"
M["hdronly"]="Subject: foo\n"
for k,v in M.items(): msg(k,v)
msg("nul","%bytes nocase\nSubject: a\\x00b\\r\\nX: y\\r\\n\\r\\nbody\\x00xyz\\r\\n.\\r\\n")
for c in "dlac":
    d="EHLO mail.client.test\n"
    for k in M:
        d += "!deliver s@good.test u@good.test %s\n!drain\n"%k
    d += "MAIL FROM:<s@good.test>\nRCPT TO:<u@good.test>\nDATA\n!msgraw nul\n!drain\n"
    d += "!deliver - u@good.test full\n!drain\n!deliver - u@good.test drop2\n!drain\n"
    d += "!deliver s+a@good.test u@good.test,U@good.test,u@GOOD.test,v@good.test,v@good.test full\n!drain\n"
    d += "!deliver s u,u@good.test,@good.test full\n!drain\n"
    case(c, "cl_" + c,d,limit=200)
case("long", "cl_long","""EHLO x
!deliver s@good.test u@good.test res3
!deliver s@good.test u@good.test utf
!drain
""")
