-- Tries that policy adds by itself, and pauses of agents. Every attempt before was one that a person asked for.

ALTER TABLE steps ADD COLUMN next_try TEXT;
CREATE INDEX steps_tried_again ON steps (seq) WHERE state = 'failed_retryable';

ALTER TABLE attempts ADD COLUMN tries INTEGER NOT NULL DEFAULT 1;
ALTER TABLE attempts ADD COLUMN fallback INTEGER NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN begins_at TEXT;
ALTER TABLE attempts ADD COLUMN pauses TEXT NOT NULL DEFAULT '[]';

DROP VIEW step_records;
CREATE VIEW step_records AS
SELECT id, run_id, name, title, state, task, provenance, frozen, base, adapter, policy, position,
    created_at, updated_at, revision, attempts, latest_attempt_id, cancel_requested, feedback,
    summary, reason, retryable, landed, next_try, seq, idempotency_key, request_digest
FROM steps JOIN submissions ON submissions.step_id = steps.id;
