-- A state file of version 1 with something in it. Frozen: a later program must
-- read it, however its own tables look.
PRAGMA journal_mode = WAL;
PRAGMA application_id = 1382372212;
BEGIN;
-- Written once, never changed: a later version is a file of its own.
-- "used" is a day, counted from 1970-01-01 UTC.
-- "octets" of folder and listing is what the row is charged against its bound.

CREATE TABLE about (
	created INTEGER NOT NULL -- seconds since 1970-01-01 UTC; one row
) STRICT;

CREATE TABLE folder (
	id           INTEGER PRIMARY KEY,
	maildrop     TEXT NOT NULL,
	name         TEXT NOT NULL,
	uid_validity INTEGER NOT NULL,
	octets       INTEGER NOT NULL,
	used         INTEGER NOT NULL,
	UNIQUE (maildrop, name)
) STRICT;
CREATE INDEX folder_used ON folder (used, octets);

-- The true sizes of 256 UIDs in one row: reading 100,000 of them one by one
-- takes ten times as long.
CREATE TABLE size_block (
	folder INTEGER NOT NULL REFERENCES folder (id) ON DELETE CASCADE,
	block  INTEGER NOT NULL, -- UID / 256
	sizes  BLOB NOT NULL,
	PRIMARY KEY (folder, block)
) STRICT, WITHOUT ROWID;

-- The blob comes last, so that reading the rest does not read through it.
CREATE TABLE listing (
	id     INTEGER PRIMARY KEY,
	key    TEXT NOT NULL UNIQUE,
	octets INTEGER NOT NULL,
	used   INTEGER NOT NULL,
	blob   BLOB NOT NULL
) STRICT;
CREATE INDEX listing_used ON listing (used, octets);

INSERT INTO about VALUES (1795000000);
INSERT INTO folder VALUES (1, 'main alice', 'INBOX', 7, 106, 20700);
INSERT INTO size_block VALUES (1, 0, x'0164fff0a204e6b1ccd8'), (1, 1, x'000531b3e670');
INSERT INTO listing VALUES (1, 'main alice INBOX', 101, 20700, x'006c697374696e67ff');
PRAGMA user_version = 1;
COMMIT;
