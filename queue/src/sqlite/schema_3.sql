-- One process at a time consumes. It holds a lock on a file beside this one, so the file needn't say
-- who has what.
DROP TABLE owners;
DROP TABLE leases;
DROP INDEX messages_by_owner;
ALTER TABLE messages RENAME COLUMN owner TO unacked; -- NULL: ready
CREATE INDEX messages_by_unacked ON messages (unacked);
