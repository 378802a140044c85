-- Accounts, and what is kept sealed for them. Names are folded to lower case.
-- Times are seconds since 1970-01-01 UTC.

CREATE TABLE account (
	name     TEXT PRIMARY KEY,
	settings BLOB NOT NULL, -- JSON, of package auth
	changed  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- When a secret last opened an account. The account may be one of the
-- configuration.
CREATE TABLE secret_use (
	account TEXT NOT NULL,
	label   TEXT NOT NULL,
	used    INTEGER NOT NULL,
	PRIMARY KEY (account, label)
) STRICT, WITHOUT ROWID;

-- Sealed values that change by themselves, such as tokens.
CREATE TABLE sealed (
	account TEXT NOT NULL,
	purpose TEXT NOT NULL,
	value   TEXT NOT NULL,
	changed INTEGER NOT NULL,
	PRIMARY KEY (account, purpose)
) STRICT, WITHOUT ROWID;
