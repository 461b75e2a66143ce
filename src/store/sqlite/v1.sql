-- One row: what the whole file shares. Every commit of the library moves it on.
CREATE TABLE orderhook_meta (
    id           INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    file_id      TEXT NOT NULL,     -- made when the file was; a transaction of another file is recognised by it
    last_token   INTEGER NOT NULL,  -- the fencing token that was given out last
    last_settled INTEGER NOT NULL,  -- the last number in settled_seq
    last_seen    INTEGER NOT NULL   -- the latest moment in use, microseconds of the store's timeline
) STRICT;

INSERT INTO orderhook_meta VALUES (1, lower(hex(randomblob(16))), 0, 0, 0);

-- What is added to the boot-time clock, written once per boot (and wherever a clock stands beside it, once per that).
CREATE TABLE orderhook_boots (
    boot         TEXT NOT NULL PRIMARY KEY,
    clock_offset INTEGER NOT NULL   -- microseconds
) STRICT, WITHOUT ROWID;

-- Moments are microseconds since 1970 on the store's timeline.
CREATE TABLE orderhook_notifications (
    id           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- the order of insertion; never given twice
    source       TEXT NOT NULL,
    supplier     TEXT NOT NULL,
    order_code   TEXT NOT NULL,
    kind         TEXT NOT NULL,
    occurrence   TEXT NOT NULL,
    event_id     TEXT NOT NULL,
    position     INTEGER NOT NULL,  -- in the stream of source, supplier and order_code; from 1, without gaps
    state        TEXT NOT NULL,     -- pending, sending, notified, failed, withdrawn, not_wanted
    unfinished   INTEGER NOT NULL,  -- 1: holds back what comes later in its stream
    due_at       INTEGER,           -- pending: when it is due; sending: when the lease runs out; else NULL
    ready_at     INTEGER,           -- due_at while it is the oldest unfinished of its stream; else NULL
    token        INTEGER,           -- of the claim that is held
    reopened     INTEGER NOT NULL,
    ledger       BLOB,              -- NULL: nothing is known yet
    memo         BLOB,
    digest       BLOB,
    traceparent  TEXT,
    reference    TEXT,              -- notified: the external reference
    reason       TEXT,              -- failed: the word for it; withdrawn: in the words of whoever did
    stream_rule  TEXT,              -- failed: holds, passes
    created_at   INTEGER NOT NULL,
    settled_at   INTEGER,           -- when it became notified, failed, withdrawn or not_wanted
    settled_seq  INTEGER            -- notified, failed: the number of that settling in the file; grows as they become visible
) STRICT;

CREATE UNIQUE INDEX orderhook_notifications_key
    ON orderhook_notifications (source, order_code, supplier, kind, occurrence);
CREATE UNIQUE INDEX orderhook_notifications_stream
    ON orderhook_notifications (source, supplier, order_code, position);
CREATE INDEX orderhook_notifications_unfinished
    ON orderhook_notifications (source, supplier, order_code, position) WHERE unfinished = 1;
CREATE INDEX orderhook_notifications_ready
    ON orderhook_notifications (source, supplier, ready_at, id) WHERE ready_at IS NOT NULL;
CREATE INDEX orderhook_notifications_failed
    ON orderhook_notifications (source, supplier, reason, id) WHERE state = 'failed';
CREATE INDEX orderhook_notifications_settled
    ON orderhook_notifications (source, settled_seq) WHERE settled_seq IS NOT NULL;

-- Apart from the rows, so that a change of state does not write the body again.
CREATE TABLE orderhook_bodies (
    notification INTEGER NOT NULL PRIMARY KEY,
    body         BLOB NOT NULL
) STRICT;

CREATE TABLE orderhook_attempts (
    notification INTEGER NOT NULL,
    number       INTEGER NOT NULL,  -- from 0
    attempt      TEXT NOT NULL,     -- JSON
    PRIMARY KEY (notification, number)
) STRICT, WITHOUT ROWID;
