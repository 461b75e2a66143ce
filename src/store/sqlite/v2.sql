-- Adds to version 1 and changes nothing of it. A program of version 1 that has the file open goes on with its own
-- statements, which know nothing of what is added here. So what these indexes hold is derived from columns that its
-- statements write too:
--
-- Nothing has been recorded of a row while its ledger is NULL: the first step of any holder writes one. The ledger that comes
-- with an insert, which names the endpoint that the first claim calls first, stands in first_ledger for that reason.
--
-- A row is put off while it is pending and put_off_to is the moment at which it is due: every step, claim and intervention
-- sets due_at anew, and one of version 1 leaves put_off_to behind.
--
-- A row that cannot be read has the state 'unreadable', no due_at and unfinished = 1. To a program of version 1 that is an
-- unknown word: it lists the row as refused, and leaves it alone.
--
-- A row whose ledger is NULL and that is due later waits for the end of its first delay.

ALTER TABLE orderhook_notifications ADD COLUMN put_off_to INTEGER;
ALTER TABLE orderhook_notifications ADD COLUMN first_ledger BLOB;

CREATE INDEX orderhook_notifications_new
    ON orderhook_notifications (source, ready_at, id) WHERE ready_at IS NOT NULL AND ledger IS NULL;
CREATE INDEX orderhook_notifications_due
    ON orderhook_notifications (source, ready_at, id) WHERE ready_at IS NOT NULL AND ledger IS NOT NULL;
CREATE INDEX orderhook_notifications_put_off
    ON orderhook_notifications (source, supplier, ready_at, id) WHERE put_off_to = ready_at AND state = 'pending';

-- What people and programs have decided about a notification.
CREATE TABLE orderhook_history (
    notification INTEGER NOT NULL,
    number       INTEGER NOT NULL,  -- from 0
    at           INTEGER NOT NULL,
    action       TEXT NOT NULL,     -- reopen, retry, withdraw, mark_notified, erase
    who          TEXT,              -- NULL: erased
    why          TEXT,
    PRIMARY KEY (notification, number)
) STRICT, WITHOUT ROWID;
