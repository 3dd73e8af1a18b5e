-- Questions of two-way agents: asked in the middle of an attempt, and answered at most once.

CREATE TABLE questions (
    id TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    run_id TEXT NOT NULL REFERENCES runs (id),
    step_id TEXT NOT NULL REFERENCES steps (id),
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
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
    UNIQUE (attempt_id, key)
) STRICT;

-- What was not answered when its agent ended is open no longer.
CREATE VIEW question_records AS
SELECT questions.*, CASE
    WHEN questions.answered_at IS NOT NULL THEN 'answered'
    WHEN attempts.outcome IS NOT NULL OR attempts.state = 'ended' THEN 'void'
    ELSE 'open'
END AS state
FROM questions JOIN attempts ON attempts.id = questions.attempt_id;
