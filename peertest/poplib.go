package peertest

// poplibScript fetches all messages with Python's poplib. Its arguments are
// host, port, plain|STLS|POP3S, CA file, user, password, keep, directory.
const poplibScript = `
import os, poplib, ssl, sys
host, port, mode, ca, user, password, keep, inbox = sys.argv[1:]
poplib._MAXLINE = 1 << 24          # its own limit of 2048 is not the protocol's
context = ssl.create_default_context(cafile=ca) if mode != "plain" else None
if mode == "POP3S":
    p = poplib.POP3_SSL(host, int(port), context=context, timeout=60)
else:
    p = poplib.POP3(host, int(port), timeout=60)
p.encoding = "utf-8"
if mode == "STLS":
    assert "STLS" in p.capa(), p.capa()
    p.stls(context=context)
    assert "STLS" not in p.capa(), "STLS is still offered over TLS"
p.user(user)
p.pass_(password)
capa = p.capa()
assert "UIDL" in capa and "TOP" in capa, capa
count, octets = p.stat()
sizes = {int(l.split()[0]): int(l.split()[1]) for l in p.list()[1]}
uidls = {int(l.split()[0]): l.split()[1] for l in p.uidl()[1]}
assert list(sizes) == list(range(1, count + 1)) == list(uidls), (count, sizes, uidls)
assert octets == sum(sizes.values()), (octets, sizes)
assert len(set(uidls.values())) == count, uidls
for n in sizes:
    lines = p.retr(n)[1]
    message = b"".join(l + b"\r\n" for l in lines)
    short = 2 if lines[-1] == b"no final line end" else 0   # IMAP does not count the CRLF that POP3 adds
    assert 0 <= len(message) - sizes[n] <= short, "message %d: LIST says %d, RETR gives %d" % (n, sizes[n], len(message))
    end = lines.index(b"") if b"" in lines else len(lines)
    assert p.top(n, 0)[1] == lines[:end + 1], "TOP %d 0" % n
    assert p.top(n, 3)[1] == lines[:end + 4], "TOP %d 3" % n
    assert p.uidl(n).split()[2] == uidls[n]
    with open(os.path.join(inbox, "%06d" % n), "wb") as f:
        f.write(message)
    if keep == "false":
        p.dele(n)
p.quit()
`
