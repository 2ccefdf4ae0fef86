-- Who may hold deliveries and leases. An owner adds one to its beat at an interval: where that stands
-- still for `lease_ms`, the owner is gone, and what it holds goes back.
CREATE TABLE owners (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    lease_ms INTEGER NOT NULL,
    beat INTEGER NOT NULL DEFAULT 0,
    consumers INTEGER NOT NULL DEFAULT 0
);

-- In the order of `seq`, which is never used twice.
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT,
    kind TEXT,
    body BLOB NOT NULL,
    traceparent TEXT,
    published_at INTEGER NOT NULL, -- milliseconds since 1970, for people
    owner INTEGER,                 -- NULL: ready
    deliveries INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX messages_by_owner ON messages (owner);

-- Counting a backlog row by row would take long.
CREATE TABLE totals (messages INTEGER NOT NULL, dead INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0);
CREATE TRIGGER message_in AFTER INSERT ON messages
BEGIN UPDATE totals SET messages = messages + 1; END;
CREATE TRIGGER message_out AFTER DELETE ON messages
BEGIN UPDATE totals SET messages = messages - 1; END;

CREATE TABLE dead_letters (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT,
    kind TEXT,
    body BLOB NOT NULL,
    traceparent TEXT,
    died_at INTEGER NOT NULL, -- milliseconds since 1970
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    last_error TEXT
);
CREATE TRIGGER dead_in AFTER INSERT ON dead_letters
BEGIN UPDATE totals SET dead = dead + 1; END;
CREATE TRIGGER dead_out AFTER DELETE ON dead_letters
BEGIN UPDATE totals SET dead = dead - 1; END;

CREATE TABLE leases (
    name TEXT PRIMARY KEY,
    owner INTEGER NOT NULL,
    ticket INTEGER NOT NULL
) WITHOUT ROWID;
