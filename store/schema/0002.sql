-- What views remember of messages. None of it can be learned again, so nothing
-- here is ever dropped for want of room. Times are seconds since 1970-01-01 UTC.

CREATE TABLE held (
	maildrop TEXT PRIMARY KEY -- whose removals are suspended
) STRICT, WITHOUT ROWID;

CREATE TABLE approval (
	rule     TEXT PRIMARY KEY, -- a hash that the policies make
	approved INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE view (
	id       INTEGER PRIMARY KEY,
	maildrop TEXT NOT NULL,
	name     TEXT NOT NULL,    -- "" is the view that every maildrop has
	begun    INTEGER NOT NULL, -- the first sign-in
	undo     BLOB,             -- what the last session did: JSON
	back     BLOB,             -- what is to be moved back: JSON
	UNIQUE (maildrop, name)
) STRICT;

-- One life of a folder: another UIDVALIDITY is another row.
CREATE TABLE view_folder (
	id           INTEGER PRIMARY KEY,
	view         INTEGER NOT NULL REFERENCES view (id) ON DELETE CASCADE,
	name         TEXT NOT NULL,
	uid_validity INTEGER NOT NULL,
	first        INTEGER NOT NULL, -- UIDs from here on appeared after the first listing
	edge         INTEGER NOT NULL, -- UIDs below were left out by "newest"
	lapsed       INTEGER NOT NULL, -- since when it has another life; 0: it has not
	UNIQUE (view, name, uid_validity)
) STRICT;

-- Some 256 messages in one row, packed.
CREATE TABLE memory_block (
	folder   INTEGER NOT NULL REFERENCES view_folder (id) ON DELETE CASCADE,
	block    INTEGER NOT NULL,
	memories BLOB NOT NULL,
	PRIMARY KEY (folder, block)
) STRICT, WITHOUT ROWID;

-- What a session is about to change upstream, until the outcome is known.
CREATE TABLE intent (
	id    INTEGER PRIMARY KEY AUTOINCREMENT,
	view  INTEGER NOT NULL REFERENCES view (id) ON DELETE CASCADE,
	made  INTEGER NOT NULL,
	deeds BLOB NOT NULL -- JSON
) STRICT;
CREATE INDEX intent_view ON intent (view);
