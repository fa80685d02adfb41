-- Events of `audit.sink: datastorage` until they are delivered; a delivered row is deleted. `sha256` is that of `body`,
-- whose bytes are sent as they are. `attempted`: a request with it may have been stored; `unconfirmed`: the receiver took
-- it and has not shown it yet; `suspect`: taken out of its correlation's order, tried again now and then.
CREATE TABLE audit_outbox (
    seq              INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id         TEXT    NOT NULL UNIQUE,
    correlation_id   TEXT    NOT NULL,
    event_type       TEXT    NOT NULL,
    event_timestamp  INTEGER NOT NULL,
    state            TEXT    NOT NULL DEFAULT 'pending'
                     CHECK (state IN ('pending', 'attempted', 'unconfirmed', 'suspect')),
    attempts         INTEGER NOT NULL DEFAULT 0,
    -- Times the receiver was asked for an unconfirmed event and did not show it.
    confirmations    INTEGER NOT NULL DEFAULT 0,
    first_attempt_at INTEGER,
    -- When to ask for an attempted or unconfirmed event, when to try a suspect again.
    next_attempt_at  INTEGER,
    created_at       INTEGER NOT NULL,
    body_bytes       INTEGER NOT NULL,
    sha256           BLOB    NOT NULL,
    body             TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_outbox_by_correlation ON audit_outbox (correlation_id, seq);
CREATE INDEX audit_outbox_suspects ON audit_outbox (next_attempt_at) WHERE state = 'suspect';

-- Events that cannot be delivered, kept for a person.
CREATE TABLE audit_quarantine (
    seq             INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    event_id        TEXT    NOT NULL UNIQUE,
    correlation_id  TEXT    NOT NULL,
    event_type      TEXT    NOT NULL,
    event_timestamp INTEGER NOT NULL,
    reason          TEXT    NOT NULL CHECK (reason IN ('validation', 'expired', 'suspect', 'too_large', 'altered')),
    -- What the receiver answered, where it did.
    status          INTEGER,
    problem         TEXT    NOT NULL,
    attempts        INTEGER NOT NULL,
    first_seen      INTEGER NOT NULL,
    quarantined_at  INTEGER NOT NULL,
    body_bytes      INTEGER NOT NULL,
    sha256          BLOB    NOT NULL,
    body            TEXT    NOT NULL
) STRICT;

CREATE INDEX audit_quarantine_by_time ON audit_quarantine (quarantined_at);

-- One row, kept by triggers. `newest_timestamp` outlives the delivered events: event times go on behind it.
CREATE TABLE audit_outbox_totals (
    one               INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    events            INTEGER NOT NULL,
    bytes             INTEGER NOT NULL,
    newest_timestamp  INTEGER,
    delivered         INTEGER NOT NULL,
    last_delivered_at INTEGER,
    quarantined       INTEGER NOT NULL,
    quarantined_bytes INTEGER NOT NULL
) STRICT;

INSERT INTO audit_outbox_totals VALUES (1, 0, 0, NULL, 0, NULL, 0, 0);

CREATE TRIGGER audit_outbox_added AFTER INSERT ON audit_outbox
BEGIN
    UPDATE audit_outbox_totals SET events = events + 1, bytes = bytes + NEW.body_bytes,
        newest_timestamp = max(coalesce(newest_timestamp, NEW.event_timestamp), NEW.event_timestamp);
END;

CREATE TRIGGER audit_outbox_removed AFTER DELETE ON audit_outbox
BEGIN
    UPDATE audit_outbox_totals SET events = events - 1, bytes = bytes - OLD.body_bytes;
END;

CREATE TRIGGER audit_quarantine_added AFTER INSERT ON audit_quarantine
BEGIN
    UPDATE audit_outbox_totals SET quarantined = quarantined + 1, quarantined_bytes = quarantined_bytes + NEW.body_bytes;
END;

CREATE TRIGGER audit_quarantine_removed AFTER DELETE ON audit_quarantine
BEGIN
    UPDATE audit_outbox_totals SET quarantined = quarantined - 1, quarantined_bytes = quarantined_bytes - OLD.body_bytes;
END;
