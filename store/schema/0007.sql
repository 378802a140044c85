-- Networks that are shut out for a while. Times are seconds since 1970-01-01 UTC.

CREATE TABLE ban (
	network TEXT PRIMARY KEY, -- CIDR
	since   INTEGER NOT NULL,
	until   INTEGER NOT NULL,
	times   INTEGER NOT NULL, -- bans that followed each other, this included
	reason  TEXT NOT NULL
) STRICT, WITHOUT ROWID;
