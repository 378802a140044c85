-- What is remembered of a mailbox that is full, or nearly.
ALTER TABLE view ADD COLUMN notice BLOB;    -- the warning that is shown: JSON
ALTER TABLE view ADD COLUMN reclaimed BLOB; -- when room was made, and what was in use then: JSON
