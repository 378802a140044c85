-- Who may do what only one process may do at a time, and until when: seconds
-- since 1970-01-01 UTC.

CREATE TABLE lease (
	name   TEXT PRIMARY KEY,
	holder TEXT NOT NULL,
	until  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
