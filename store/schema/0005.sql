-- What messages are called, and what they are recognised by when their UIDs
-- have changed. None of it can be learned again once the mailbox has moved.

-- One life of a folder: another UIDVALIDITY is another row, as is another server
-- that has it under another maildrop.
CREATE TABLE ledger_life (
	id           INTEGER PRIMARY KEY,
	maildrop     TEXT NOT NULL,
	folder       TEXT NOT NULL,
	uid_validity INTEGER NOT NULL, -- 0: over POP3
	origin       TEXT NOT NULL,    -- which server
	formats      TEXT NOT NULL,    -- JSON: in which format UIDs are named from which on
	next         INTEGER NOT NULL, -- what UIDs below are recognised by is known, if it can be
	settled      INTEGER NOT NULL, -- what UIDs below are called has been decided
	entries      INTEGER NOT NULL,
	given        INTEGER NOT NULL, -- entries whose UIDL is not what the format makes
	tidied       INTEGER NOT NULL, -- when the absent were looked for
	lapsed       INTEGER NOT NULL, -- since when the folder has another life; 0: it has not
	UNIQUE (maildrop, folder, uid_validity)
) STRICT;

-- Some 256 messages in one row, packed. A poll reads the UIDLs alone.
CREATE TABLE ledger_print (
	life   INTEGER NOT NULL REFERENCES ledger_life (id) ON DELETE CASCADE,
	block  INTEGER NOT NULL,
	prints BLOB NOT NULL,
	PRIMARY KEY (life, block)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger_uidl (
	life  INTEGER NOT NULL REFERENCES ledger_life (id) ON DELETE CASCADE,
	block INTEGER NOT NULL,
	uidls BLOB NOT NULL,
	PRIMARY KEY (life, block)
) STRICT, WITHOUT ROWID;
