-- Questions of two-way agents: asked in the middle of an attempt, and answered at most once.

CREATE TABLE questions (
    id TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    run_id TEXT NOT NULL REFERENCES runs (id),
    step_id TEXT NOT NULL REFERENCES steps (id),
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    launch TEXT NOT NULL,
    key TEXT NOT NULL,
    text TEXT NOT NULL,
    tool TEXT NOT NULL,
    paths TEXT NOT NULL,
    options TEXT NOT NULL,
    asked_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    option TEXT,
    by TEXT,
    actor TEXT,
    answered_at INTEGER,
    UNIQUE (attempt_id, launch, key)
) STRICT;
