package memimap

// The letters of Sample. Their line ends are LF here; crlf makes them CRLF.

const welcome = `Return-Path: <postmaster@restante.example>
From: The Postmaster <postmaster@restante.example>
To: Alice <alice@restante.example>
Subject: Welcome to the counter
Date: Mon, 02 Mar 2026 08:15:00 +0000
Message-ID: <welcome.1@restante.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

Dear Alice,

poste restante is mail kept at the post office until its owner calls
for it. You have just called for yours, over POP3, and it came out of
an IMAP mailbox that did not have to know.

Nothing is thrown away until you say DELE and then QUIT. Hang up
instead, and everything is still here.

The Postmaster
`

const newsletter = `From: "The Philatelist" <news@philatelist.example>
To: alice@restante.example
Subject: March auction: the inverted Swan
Date: Mon, 02 Mar 2026 15:15:00 +0000
Message-ID: <auction.2026-03@philatelist.example>
List-Unsubscribe: <https://philatelist.example/leave>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary="letter"

--letter
Content-Type: text/plain; charset=utf-8

On the 14th: the Inverted Swan, Western Australia 1855.
Viewing from ten o'clock. Tea is served.

--letter
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<html><body style=3D"font-family: Georgia">
<h1>The Inverted Swan</h1>
<p>Western Australia, 1855. On the <b>14th</b>, viewing from ten o'clock.
<i>Tea is served.</i></p>
</body></html>

--letter--
`

const stampLetter = `From: Nok <nok@post.example>
To: alice@restante.example
Subject: The stamp I told you about
Date: Mon, 02 Mar 2026 22:15:00 +0000
Message-ID: <stamp.7@post.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=stamp

--stamp
Content-Type: text/plain; charset=us-ascii

A red sun over the waves. It is small, but it will carry a letter to
the other side of the world.

--stamp
Content-Type: image/png; name="stamp.png"
Content-Disposition: attachment; filename="stamp.png"
Content-Transfer-Encoding: base64

`

const thaiLetter = `From: =?utf-8?b?4LiZ4LiB?= <nok@post.example>
To: alice@restante.example
Subject: %s
Date: Tue, 03 Mar 2026 05:15:00 +0700
Message-ID: <thai.8@post.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

สวัสดีค่ะคุณอลิซ

จดหมายของคุณมาถึงที่ทำการไปรษณีย์แล้ว
เราจะเก็บไว้ให้จนกว่าคุณจะมารับ ไม่ต้องรีบนะคะ

นก
`

const dottedLines = `From: Telegraph Office <wire@telegraph.example>
To: alice@restante.example
Subject: A lesson in dots
Date: Tue, 03 Mar 2026 12:15:00 +0000
Message-ID: <morse.3@telegraph.example>

.- is A, and this line begins with a dot.
.
The line above is a single dot. In POP3 it would end the message, were
it not sent as two.
..- is U
... is S, and
.... is H. All of them must arrive as they were sent.
.
`

const unfinished = `From: Nok <nok@post.example>
To: alice@restante.example
Subject: In haste
Date: Tue, 03 Mar 2026 19:15:00 +0000
Message-ID: <haste.9@post.example>

The train leaves in a minute, so I stop in the middle of a
`

const unixNote = `From: cron <root@sortingoffice.example>
To: alice@restante.example
Subject: sorting machine 3: daily report
Date: Wed, 04 Mar 2026 02:15:00 +0000
Message-ID: <cron.20260304@sortingoffice.example>

letters sorted    18211
parcels sorted      904
sent to nowhere       0

(This message ends its lines with LF alone, as it was stored by a
machine that never heard of CRLF.)
`

const telegram = `From: Telegraph Office <wire@telegraph.example>
To: alice@restante.example
Subject: Telegram, prepaid by the word
Date: Wed, 04 Mar 2026 09:15:00 +0000
Message-ID: <telegram.4@telegraph.example>

ARRIVED SAFELY `

const postcard = `From: Camille <camille@facteur.example>
To: alice@restante.example
Subject: Carte postale
Date: Wed, 04 Mar 2026 16:15:00 +0100
Message-ID: <carte.5@facteur.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: 8bit

Chère Alice,

la mer est belle, le café est bon, et la poste est fermée à midi.
Je m'arrête ici, la carte est trop petite. Il fait bon, même en août.

Camille
`

const digest = `From: post-history-request@lists.example
To: post-history@lists.example
Subject: post-history Digest, Vol 12, Issue 3
Date: Wed, 04 Mar 2026 23:15:00 +0000
Message-ID: <digest.12.3@lists.example>
List-Id: Postal history <post-history.lists.example>
Precedence: list
MIME-Version: 1.0
Content-Type: multipart/digest; boundary="=_digest"

--=_digest

From: Bea <bea@museum.example>
Subject: Who was the first to write "poste restante"?
Date: Tue, 03 Mar 2026 10:00:00 +0000
Message-ID: <q1@museum.example>

The oldest cover in our collection is from 1784. Does anyone know an
earlier one?

--=_digest

From: Otto <otto@archive.example>
Subject: Re: Who was the first to write "poste restante"?
Date: Tue, 03 Mar 2026 14:30:00 +0000
Message-ID: <a1@archive.example>
In-Reply-To: <q1@museum.example>

> The oldest cover in our collection is from 1784.

There is one of 1772 in Lyon. It was never called for.

--=_digest--
`

const registerLetter = `From: Records <records@sortingoffice.example>
To: alice@restante.example
Subject: Scan of the register, page 41
Date: Thu, 05 Mar 2026 06:15:00 +0000
Message-ID: <register.41@sortingoffice.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="register"

--register
Content-Type: text/plain; charset=us-ascii

Page 41 of the register of uncalled-for mail, 300 KiB.

--register
Content-Type: application/octet-stream; name="page-41.bin"
Content-Disposition: attachment; filename="page-41.bin"
Content-Transfer-Encoding: base64

`

const receipt = `From: Counter 4 <counter@restante.example>
To: alice@restante.example
Subject: Your receipt
Date: Thu, 05 Mar 2026 13:15:00 +0000
Message-ID: <receipt.4711@restante.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

  POST OFFICE No. 1, COUNTER 4

  1 letter, registered          4.20
  2 stamps at 0.85              1.70
  keeping mail, per week        0.00
  ----------------------------------
  Total                         5.90

  Mail is kept until you call for it.
`
