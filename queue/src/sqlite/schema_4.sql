-- What waits in one lane doesn't hold up the others: 0 requests, 1 outcomes, 2 for later, 3 notifications.
DROP INDEX messages_by_unacked;
ALTER TABLE messages ADD COLUMN lane INTEGER NOT NULL DEFAULT 0;
CREATE INDEX messages_by_lane ON messages (lane, unacked);

DROP TRIGGER message_in;
DROP TRIGGER message_out;
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, messages INTEGER NOT NULL) STRICT;
INSERT INTO lanes SELECT 0, messages FROM totals;
INSERT INTO lanes VALUES (1, 0), (2, 0), (3, 0);
ALTER TABLE totals DROP COLUMN messages;
CREATE TRIGGER message_in AFTER INSERT ON messages
BEGIN UPDATE lanes SET messages = messages + 1 WHERE lane = NEW.lane; END;
CREATE TRIGGER message_out AFTER DELETE ON messages
BEGIN UPDATE lanes SET messages = messages - 1 WHERE lane = OLD.lane; END;
CREATE TRIGGER message_moved AFTER UPDATE OF lane ON messages BEGIN
    UPDATE lanes SET messages = messages - 1 WHERE lane = OLD.lane;
    UPDATE lanes SET messages = messages + 1 WHERE lane = NEW.lane;
END;

-- What became of callers, for whoever reads this file: each line once, for 30 days.
CREATE TABLE outcomes (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    told_at INTEGER NOT NULL, -- milliseconds since 1970
    at TEXT NOT NULL,         -- when it was reported first, or when the caller was redirected
    id TEXT NOT NULL,         -- the outcome's; of a redirect the SID of the task
    type TEXT NOT NULL,       -- outcome.v1 or redirected.v1
    plan TEXT NOT NULL,
    outcome TEXT NOT NULL,    -- redirected, answered, busy, no-answer, failed, canceled, not-accepted,
                              -- voicemail, hung-up or last-words
    caller TEXT,              -- if it is the end for them: taken, recorded or missed
    call_sid TEXT NOT NULL,   -- the caller's call
    step TEXT,                -- where on the plan's ladder
    seconds INTEGER,          -- how long the conversation or the message lasted
    body TEXT NOT NULL,       -- all of it, as JSON
    UNIQUE (type, id)
) STRICT;
