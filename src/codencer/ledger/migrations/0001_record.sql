-- The chain, and the tables derived from it. JSON text holds nested records of the model.

PRAGMA application_id = 0x436F6463;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    v INTEGER NOT NULL,
    at INTEGER NOT NULL,
    run_id TEXT,
    step_id TEXT,
    attempt_id TEXT,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX events_by_run ON events (run_id, seq) WHERE run_id IS NOT NULL;
CREATE INDEX events_by_step ON events (step_id, seq) WHERE step_id IS NOT NULL;

CREATE TRIGGER events_never_change BEFORE UPDATE ON events
BEGIN
    SELECT raise(ABORT, 'events are never changed');
END;
CREATE TRIGGER events_never_go BEFORE DELETE ON events
BEGIN
    SELECT raise(ABORT, 'events are never deleted');
END;

-- One row: where the chain ends. It shows a tail that was cut off, even one without projections.
CREATE TABLE head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;

CREATE TABLE runs (
    id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    state TEXT NOT NULL,
    project_id TEXT NOT NULL,
    conversation TEXT NOT NULL,
    planner TEXT NOT NULL,
    executor TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE steps (
    id TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    run_id TEXT NOT NULL REFERENCES runs (id),
    name TEXT NOT NULL COLLATE NOCASE,
    title TEXT NOT NULL,
    state TEXT NOT NULL,
    base TEXT NOT NULL,
    adapter TEXT NOT NULL,
    policy TEXT NOT NULL,
    position INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    latest_attempt_id TEXT,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    feedback TEXT,
    summary TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    retryable INTEGER NOT NULL DEFAULT 0,
    landed TEXT NOT NULL DEFAULT '[]',
    idempotency_key TEXT,
    request_digest TEXT,
    UNIQUE (run_id, position),
    UNIQUE (run_id, name),
    UNIQUE (id, run_id)
) STRICT;
CREATE INDEX steps_by_state ON steps (run_id, state);
CREATE INDEX steps_pending ON steps (seq) WHERE state = 'pending';
CREATE UNIQUE INDEX steps_by_key ON steps (run_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

-- What a step was given, apart from it: it may be megabytes, and a step's row is rewritten at each stage.
CREATE TABLE submissions (
    step_id TEXT NOT NULL PRIMARY KEY REFERENCES steps (id),
    task TEXT NOT NULL,
    provenance TEXT NOT NULL,
    frozen TEXT NOT NULL
) STRICT;

CREATE TABLE attempts (
    id TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    step_id TEXT NOT NULL,
    run_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    state TEXT NOT NULL,
    adapter TEXT NOT NULL,
    requested_adapter TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    adapter_version TEXT NOT NULL DEFAULT '',
    trust_level TEXT NOT NULL DEFAULT 'plain',
    feedback TEXT,
    workspace TEXT,
    provisioning TEXT,
    launch TEXT,
    agent_pid INTEGER,
    exit TEXT,
    outcome TEXT,
    snapshot TEXT,
    facts TEXT,
    verdict TEXT,
    result_state TEXT,
    summary TEXT NOT NULL DEFAULT '',
    timings TEXT NOT NULL DEFAULT '{}',
    released INTEGER NOT NULL DEFAULT 0,
    UNIQUE (step_id, number),
    FOREIGN KEY (step_id, run_id) REFERENCES steps (id, run_id)
) STRICT;
CREATE INDEX attempts_unfinished ON attempts (seq) WHERE state <> 'ended';

CREATE TABLE artifacts (
    id TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    name TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    media_type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (attempt_id, name)
) STRICT;

CREATE TABLE validations (
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    ordinal INTEGER NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL,
    result TEXT NOT NULL,
    PRIMARY KEY (attempt_id, ordinal)
) STRICT;

CREATE TABLE gates (
    id TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL UNIQUE,
    run_id TEXT NOT NULL REFERENCES runs (id),
    step_id TEXT NOT NULL REFERENCES steps (id),
    attempt_id TEXT NOT NULL REFERENCES attempts (id),
    state TEXT NOT NULL,
    snapshot_tree TEXT NOT NULL,
    validated_tree TEXT NOT NULL,
    reasons TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    actor TEXT,
    note TEXT
) STRICT;
CREATE INDEX gates_by_run ON gates (run_id, state);

-- The columns of these views are the fields of the model's classes.
CREATE VIEW step_records AS
SELECT id, run_id, name, title, state, task, provenance, frozen, base, adapter, policy, position,
    created_at, updated_at, revision, attempts, latest_attempt_id, cancel_requested, feedback,
    summary, reason, retryable, landed, seq, idempotency_key, request_digest
FROM steps JOIN submissions ON submissions.step_id = steps.id;

INSERT INTO head (one, seq, hash)
VALUES (1, 0, '0000000000000000000000000000000000000000000000000000000000000000');
