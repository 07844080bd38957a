"""Canonical maps, masquerading, virtual aliases, copies."""
B="mynetworks = 127.0.0.0/8 203.0.113.0/24\nlocal_header_rewrite_clients=static:all\nrecipient_delimiter=+\nsmtpd_reject_unlisted_recipient=no\nmydestination=$mydomain, other.example\n"
config("exp_v", main=B+"virtual_alias_maps = texthash:@CONF@/va\nvirtual_alias_recursion_limit = 50\nalways_bcc=all\nrecipient_bcc_maps=inline:{ rb@good.test=copy@good.test, copy@good.test=copy2@good.test }\nsender_bcc_maps=inline:{ sb@good.test=rb@good.test }\n", files={"va":'''a@x.test b@x.test, c@good.test
b@x.test d@good.test
self@x.test self@good.test, d@good.test
self@good.test self@good.test, z@good.test
@all.test catch@good.test
@same.test @good.test
loop1@x.test loop2@x.test
loop2@x.test loop1@x.test
user u2@good.test
"a b"@x.test quoted@good.test
grp@x.test "q r"@good.test, Name <n@good.test>
"c d" cd@good.test
emp@x.test ,
null@x.test ""
all al@good.test
'''})
config("exp_c", main=B+"canonical_maps = inline:{ old@good.test=mid@good.test, mid@good.test=new@good.test, r@good.test=rcanon@good.test, m@good.test={a@good.test, b@good.test}, l1@good.test=l2@good.test, l2@good.test=l1@good.test }\nsender_canonical_maps = inline:{ s@good.test=old@good.test }\nrecipient_canonical_maps = inline:{ @gone.test=@good.test }\nmasquerade_domains=good.test\nmasquerade_classes=envelope_sender,header_sender,envelope_recipient\nmasquerade_exceptions=root\n")
M={}
M["h"]="From: old@good.test\nTo: old@good.test, s@good.test, x@gone.test, (c) r@good.test\nSender: s@good.test\nReply-To: <u@host.good.test>\nCc: u@host.good.test, root@host.good.test\nDate: z\nMessage-Id: <x>\n\nb\n"
for k,v in M.items(): msg(k,v)
d="EHLO x\n"
for a in ["a@x.test","A+ext@x.test","self@x.test","q+e@all.test","q+e@same.test","user","user+x@other.example","user@far.test",'"a b"@x.test',"grp@x.test",'"c d"',"emp@x.test","null@x.test","loop1@x.test","rb@good.test","c@good.test>\nRCPT TO:<d@good.test>\nRCPT TO:<b@x.test"]:
    d+="MAIL FROM:<sb@good.test>\nRCPT TO:<%s> NOTIFY=SUCCESS,FAILURE\nDATA\n!msg h\n!drain\n"%a if a in ("user",) else "MAIL FROM:<sb@good.test>\nRCPT TO:<%s>\nDATA\n!msg h\n!drain\n"%a
case("v", "exp_v",d,limit=100)
d="EHLO x\n"
for s in ["old","s","r","l1","m","u@host","root@host"]:
    s = s.replace("@host","@host.good.test") if "@" in s else s+"@good.test"
    d+="!deliver %s %s,old+e@gone.test h\n!drain\n"%(s,s)
case("c", "exp_c",d,limit=100)
