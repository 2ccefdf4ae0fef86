-- What processes say of themselves, as long as somebody watches: this is for nobody else.
CREATE TABLE watching (one INTEGER PRIMARY KEY CHECK (one = 1), until INTEGER NOT NULL) STRICT;
INSERT INTO watching VALUES (1, 0);
CREATE TABLE reports (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    process INTEGER NOT NULL UNIQUE,
    at INTEGER NOT NULL, -- milliseconds since 1970
    body BLOB NOT NULL
) STRICT;
