-- Everything that is asked of the record, by name. Writing statements of the chain come first.

-- name: append_event
INSERT INTO events (seq, v, at, run_id, step_id, attempt_id, kind, body, prev_hash, hash)
VALUES (:seq, :v, :at, :run_id, :step_id, :attempt_id, :kind, :body, :prev_hash, :hash);

-- name: move_head
UPDATE head SET seq = :seq, hash = :hash;

-- name: shift_head
UPDATE head SET seq = seq + :by;

-- name: head
SELECT seq, hash FROM head;

-- name: ids_of_attempt
SELECT run_id, step_id FROM attempts WHERE id = :id;

-- name: ids_of_step
SELECT run_id, id FROM steps WHERE id = :id;

-- name: run
SELECT id, state, reason, budget, created_at, updated_at, project_id, conversation, planner, executor,
    (SELECT count(*) FROM steps WHERE run_id = runs.id) AS steps_total,
    (SELECT count(*) FROM steps WHERE run_id = runs.id
        AND state IN (SELECT value FROM json_each(:unsettled))) AS steps_unsettled
FROM runs WHERE id = :id;

-- name: runs
SELECT id, state, reason, budget, created_at, updated_at, project_id, conversation, planner, executor,
    (SELECT count(*) FROM steps WHERE run_id = runs.id) AS steps_total,
    (SELECT count(*) FROM steps WHERE run_id = runs.id
        AND state IN (SELECT value FROM json_each(:unsettled))) AS steps_unsettled
FROM runs
WHERE (:project IS NULL OR project_id = :project)
    AND (:conversation IS NULL OR conversation = :conversation)
    AND (:state IS NULL OR state = :state)
ORDER BY seq;

-- name: step
SELECT * FROM step_records WHERE id = :id;

-- name: step_named
SELECT * FROM step_records WHERE run_id = :run_id AND name = :name;

-- name: step_by_key
SELECT * FROM step_records WHERE run_id = :run_id AND idempotency_key = :key;

-- name: steps
SELECT * FROM step_records WHERE run_id = :run_id ORDER BY position;

-- name: pending_steps
SELECT * FROM step_records WHERE state = 'pending' ORDER BY seq;

-- name: tried_again_steps
SELECT * FROM step_records WHERE state = 'failed_retryable' ORDER BY seq;

-- name: attempt
SELECT * FROM attempts WHERE id = :id;

-- name: attempts
SELECT * FROM attempts WHERE step_id = :step_id ORDER BY number;

-- name: attempts_of_run
SELECT * FROM attempts WHERE run_id = :run_id ORDER BY seq;

-- name: unfinished_attempts
SELECT * FROM attempts WHERE state <> 'ended' ORDER BY seq;

-- name: unreleased_attempts
SELECT * FROM attempts WHERE state = 'ended' AND NOT released AND snapshot IS NOT NULL ORDER BY seq;

-- name: validations
SELECT result FROM validations WHERE attempt_id = :attempt_id ORDER BY ordinal;

-- name: artifact
SELECT * FROM artifacts WHERE id = :id;

-- name: artifacts
SELECT * FROM artifacts WHERE attempt_id = :attempt_id ORDER BY seq, id;

-- name: gate
SELECT * FROM gates WHERE id = :id;

-- name: gates
SELECT * FROM gates
WHERE (:run_id IS NULL OR run_id = :run_id) AND (:state IS NULL OR state = :state)
ORDER BY seq;

-- name: question
-- What was not answered when its agent ended is open no longer.
SELECT questions.*, CASE
    WHEN questions.answered_at IS NOT NULL THEN 'answered'
    WHEN attempts.outcome IS NOT NULL OR attempts.state = 'ended' OR EXISTS (
        SELECT 1 FROM json_each(attempts.pauses) WHERE json_extract(value, '$.launch') = questions.launch
    ) THEN 'void'
    ELSE 'open'
END AS state
FROM questions JOIN attempts ON attempts.id = questions.attempt_id
WHERE questions.id = :id;

-- name: questions
SELECT questions.*, CASE
    WHEN questions.answered_at IS NOT NULL THEN 'answered'
    WHEN attempts.outcome IS NOT NULL OR attempts.state = 'ended' OR EXISTS (
        SELECT 1 FROM json_each(attempts.pauses) WHERE json_extract(value, '$.launch') = questions.launch
    ) THEN 'void'
    ELSE 'open'
END AS state
FROM questions JOIN attempts ON attempts.id = questions.attempt_id
WHERE questions.attempt_id = :attempt_id ORDER BY questions.seq;

-- name: events
SELECT * FROM events WHERE seq > :after ORDER BY seq LIMIT :limit;

-- name: events_of_run
SELECT * FROM events WHERE run_id = :run_id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: events_of_step
SELECT * FROM events WHERE step_id = :step_id AND seq > :after ORDER BY seq LIMIT :limit;

-- name: unfinished_landings
SELECT events.* FROM steps JOIN events ON events.seq = steps.landing
WHERE steps.landing IS NOT NULL ORDER BY events.seq;

-- name: landings
SELECT * FROM events WHERE step_id = :step_id AND kind = 'step.landed' ORDER BY seq;

-- name: find_step
SELECT id FROM steps
WHERE (id >= :first AND id < :past) OR substr(id, -length(:text)) = :text ORDER BY id LIMIT :limit;

-- name: find_att
SELECT id FROM attempts
WHERE (id >= :first AND id < :past) OR substr(id, -length(:text)) = :text ORDER BY id LIMIT :limit;

-- name: find_gate
SELECT id FROM gates
WHERE (id >= :first AND id < :past) OR substr(id, -length(:text)) = :text ORDER BY id LIMIT :limit;

-- name: find_qst
SELECT id FROM questions
WHERE (id >= :first AND id < :past) OR substr(id, -length(:text)) = :text ORDER BY id LIMIT :limit;

-- name: find_art
SELECT id FROM artifacts
WHERE (id >= :first AND id < :past) OR substr(id, -length(:text)) = :text ORDER BY id LIMIT :limit;

-- name: latest_step
SELECT id FROM steps WHERE :run_id IS NULL OR run_id = :run_id ORDER BY seq DESC LIMIT 1;

-- name: latest_att
SELECT id FROM attempts WHERE :run_id IS NULL OR run_id = :run_id ORDER BY seq DESC LIMIT 1;

-- name: latest_gate
SELECT id FROM gates WHERE :run_id IS NULL OR run_id = :run_id ORDER BY seq DESC LIMIT 1;

-- name: latest_qst
SELECT id FROM questions WHERE :run_id IS NULL OR run_id = :run_id ORDER BY seq DESC LIMIT 1;

-- name: latest_art
SELECT artifacts.id FROM artifacts JOIN attempts ON attempts.id = artifacts.attempt_id
WHERE :run_id IS NULL OR attempts.run_id = :run_id ORDER BY artifacts.seq DESC, artifacts.id DESC LIMIT 1;

-- name: unsettled_steps
SELECT * FROM step_records WHERE state IN (SELECT value FROM json_each(:unsettled)) ORDER BY seq;

-- name: attempts_with_snapshot
SELECT * FROM attempts WHERE snapshot IS NOT NULL ORDER BY seq;

-- name: kept_artifacts
SELECT * FROM artifacts ORDER BY seq, id;

-- name: bases
SELECT id, state, json_extract(base, '$.commit') AS commit_id FROM steps
WHERE json_extract(base, '$.commit') IS NOT NULL ORDER BY seq;

-- name: times
-- What removal itself records is no sign of life.
SELECT at, CASE WHEN kind NOT IN ('workspace.released', 'snapshot.expired') THEN step_id END AS step_id
FROM events ORDER BY seq;

-- name: times_since_end
-- A clock that was set back shows earlier moments in later events.
SELECT ended.at AS ended, (SELECT min(at) FROM events WHERE seq > ended.seq) AS earliest
FROM events AS ended
WHERE step_id = :step_id AND attempt_id = :attempt_id AND kind = 'attempt.ended';

-- name: facts
SELECT seq, v, at, run_id, step_id, attempt_id, kind, body FROM events ORDER BY seq;

-- name: empty_runs
DELETE FROM runs;

-- name: empty_steps
DELETE FROM steps;

-- name: empty_submissions
DELETE FROM submissions;

-- name: empty_attempts
DELETE FROM attempts;

-- name: empty_artifacts
DELETE FROM artifacts;

-- name: empty_validations
DELETE FROM validations;

-- name: empty_gates
DELETE FROM gates;

-- name: empty_questions
DELETE FROM questions;

-- name: all_events
SELECT * FROM events ORDER BY seq;

-- name: all_head
SELECT * FROM head;

-- name: all_runs
SELECT * FROM runs ORDER BY seq;

-- name: all_steps
SELECT * FROM steps ORDER BY seq;

-- name: all_submissions
SELECT submissions.* FROM submissions ORDER BY step_id;

-- name: all_attempts
SELECT * FROM attempts ORDER BY seq;

-- name: all_artifacts
SELECT * FROM artifacts ORDER BY id;

-- name: all_validations
SELECT * FROM validations ORDER BY attempt_id, ordinal;

-- name: all_gates
SELECT * FROM gates ORDER BY seq;

-- name: all_questions
SELECT * FROM questions ORDER BY seq;
