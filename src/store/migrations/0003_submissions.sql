-- Which request a session answers, and how far it got. A table of its own: a column added to `sessions` would stand behind the
-- wide ones. Sessions of earlier versions have no row here.
CREATE TABLE submissions (
    session_id      TEXT NOT NULL PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    kind            TEXT NOT NULL CHECK (kind IN ('incident', 'recovery')),
    -- The caller's own key, under which a repetition finds the session.
    idempotency_key TEXT,
    -- SHA-256 of the request in canonical form.
    request_sha256  BLOB NOT NULL,
    -- JSON, written with the final state.
    standing        TEXT
) STRICT;
