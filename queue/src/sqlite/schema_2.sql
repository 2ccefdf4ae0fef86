-- What redirectors are about to do, in the order in which all of them read it. `seq` has no holes
-- but at the beginning, where old entries go; the newest stays, so that readers find their place.
CREATE TABLE intents (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    incarnation BLOB NOT NULL,
    call_sid TEXT NOT NULL
) STRICT;

-- How often somebody had it and gave it back, in whatever way; `deliveries` are those who died with
-- it. Together with `seq` and `owner` it names one delivery.
ALTER TABLE messages ADD COLUMN returns INTEGER NOT NULL DEFAULT 0;
UPDATE messages SET returns = deliveries;

-- How many consumers it made panic.
ALTER TABLE messages ADD COLUMN panics INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dead_letters ADD COLUMN panics INTEGER NOT NULL DEFAULT 0;
