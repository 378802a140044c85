-- Lines of the audit trail, in the order in which they were written. What a line
-- is looked for by is '' if it has none.

CREATE TABLE audit_line (
	id         INTEGER PRIMARY KEY,
	chain      TEXT NOT NULL,
	seq        INTEGER NOT NULL,
	time       INTEGER NOT NULL, -- seconds since 1970-01-01 UTC
	kind       TEXT NOT NULL,
	session    TEXT NOT NULL,
	base       TEXT NOT NULL COLLATE NOCASE,
	message_id TEXT NOT NULL,
	uidl       TEXT NOT NULL,
	line       BLOB NOT NULL
) STRICT;
CREATE INDEX audit_time ON audit_line (time);
CREATE INDEX audit_session ON audit_line (session) WHERE session <> '';
CREATE INDEX audit_base ON audit_line (base) WHERE base <> '';
CREATE INDEX audit_message_id ON audit_line (message_id) WHERE message_id <> '';
CREATE INDEX audit_uidl ON audit_line (uidl) WHERE uidl <> '';
CREATE INDEX audit_checkpoint ON audit_line (id) WHERE kind = 'checkpoint';
