-- Instants are microseconds since 1970-01-01T00:00:00Z. Wide columns come last: a scan of the narrow ones then never
-- reads their overflow pages.

CREATE TABLE sessions (
    id           TEXT    NOT NULL PRIMARY KEY,
    state        TEXT    NOT NULL CHECK (state IN ('pending', 'investigating', 'completed', 'failed', 'cancelled')),
    caller       TEXT    NOT NULL,
    shape        TEXT    NOT NULL,
    incident_id  TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    started_at   INTEGER,
    completed_at INTEGER,
    deadline_at  INTEGER NOT NULL,
    error        TEXT,
    incident     TEXT    NOT NULL,
    result       TEXT,
    CHECK ((completed_at IS NOT NULL) = (state IN ('completed', 'failed', 'cancelled')))
) STRICT;

-- A final state never changes, whoever writes.
CREATE TRIGGER sessions_final BEFORE UPDATE ON sessions WHEN OLD.completed_at IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'the session already has a final state');
END;

-- Events of `audit.sink: local`. `sha256` is that of `body`; a row that no longer matches was altered.
CREATE TABLE audit_events (
    seq             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id        TEXT    NOT NULL UNIQUE,
    correlation_id  TEXT    NOT NULL,
    event_type      TEXT    NOT NULL,
    event_timestamp INTEGER NOT NULL,
    body_bytes      INTEGER NOT NULL,
    sha256          BLOB    NOT NULL,
    body            TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_events_by_correlation ON audit_events (correlation_id, seq);
CREATE INDEX audit_events_by_timestamp ON audit_events (event_timestamp);

-- One row, kept by triggers: how much `audit_events` holds, without reading it.
CREATE TABLE audit_totals (
    one    INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    events INTEGER NOT NULL,
    bytes  INTEGER NOT NULL
) STRICT;

INSERT INTO audit_totals (one, events, bytes) VALUES (1, 0, 0);

CREATE TRIGGER audit_events_added AFTER INSERT ON audit_events
BEGIN
    UPDATE audit_totals SET events = events + 1, bytes = bytes + NEW.body_bytes;
END;

CREATE TRIGGER audit_events_removed AFTER DELETE ON audit_events
BEGIN
    UPDATE audit_totals SET events = events - 1, bytes = bytes - OLD.body_bytes;
END;
