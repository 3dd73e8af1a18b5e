-- What each kind of event does to the derived tables; replaying executes these same statements.
--
-- Parameters: :seq :at :run_id :step_id :attempt_id, and :body, canonical JSON. An UPDATE that finds no row
-- is an error, so each one also states the ids its event must carry. No statement reads a clock.

-- name: daemon.started
-- Nothing is derived from it.

-- name: run.created
INSERT INTO runs (id, seq, state, project_id, conversation, planner, executor, created_at, updated_at)
VALUES (
    :run_id, :seq, 'created',
    json_extract(:body, '$.labels.project_id'), json_extract(:body, '$.labels.conversation'),
    json_extract(:body, '$.labels.planner'), json_extract(:body, '$.labels.executor'), :at, :at
);

-- name: run.advanced
-- Of an older event there may be no reason.
UPDATE runs SET
    state = json_extract(:body, '$.state'), reason = coalesce(json_extract(:body, '$.reason'), ''),
    updated_at = :at
WHERE id = :run_id COLLATE BINARY;

-- name: run.budgeted
UPDATE runs SET budget = json_extract(:body, '$.budget'), updated_at = :at
WHERE id = :run_id COLLATE BINARY;

-- name: step.submitted
UPDATE runs SET updated_at = :at WHERE id = :run_id COLLATE BINARY;
INSERT INTO steps (
    id, seq, run_id, name, title, state, base, adapter, policy, position, created_at, updated_at,
    idempotency_key, request_digest
)
VALUES (
    :step_id, :seq, :run_id, json_extract(:body, '$.name'), json_extract(:body, '$.title'), 'pending',
    json_extract(:body, '$.base'), json_extract(:body, '$.adapter'), json_extract(:body, '$.policy'),
    (SELECT coalesce(max(position), 0) + 1 FROM steps WHERE run_id = :run_id), :at, :at,
    json_extract(:body, '$.idempotency_key'), json_extract(:body, '$.request_digest')
);
INSERT INTO submissions (step_id, task, provenance, frozen)
VALUES (
    :step_id, json_extract(:body, '$.task'), json_extract(:body, '$.provenance'),
    json_extract(:body, '$.frozen')
);

-- name: base.pinned
UPDATE steps SET base = json_extract(:body, '$.base'), updated_at = :at
WHERE id = :step_id AND run_id = :run_id;

-- name: step.cancel_requested
UPDATE steps SET cancel_requested = 1, updated_at = :at WHERE id = :step_id AND run_id = :run_id;

-- name: step.retried
-- Feedback and adapter stay until the next retry: a try that policy adds on its own uses them too.
UPDATE steps SET
    state = json_extract(:body, '$.step_state'),
    adapter = coalesce(json_extract(:body, '$.adapter'), adapter),
    feedback = json_extract(:body, '$.feedback'), revision = revision + 1, cancel_requested = 0,
    summary = '', reason = '', retryable = 0, next_try = NULL, updated_at = :at
WHERE id = :step_id AND run_id = :run_id;
UPDATE submissions SET frozen = CASE
    WHEN json_extract(:body, '$.adapter_settings') IS NULL THEN frozen
    ELSE json_set(frozen, '$.adapter', json_extract(:body, '$.adapter_settings'))
END
WHERE step_id = :step_id;

-- name: step.settled
UPDATE steps SET
    state = json_extract(:body, '$.step_state'), summary = json_extract(:body, '$.summary'),
    retryable = json_extract(:body, '$.retryable'), reason = json_extract(:body, '$.reason'),
    next_try = NULL, updated_at = :at
WHERE id = :step_id AND run_id = :run_id;

-- name: step.retry_planned
UPDATE steps SET
    state = json_extract(:body, '$.step_state'), summary = json_extract(:body, '$.summary'),
    reason = json_extract(:body, '$.reason'), retryable = 1,
    next_try = json_extract(:body, '$.next_try'), updated_at = :at
WHERE id = :step_id AND run_id = :run_id;

-- name: step.landing
UPDATE steps SET landing = :seq, updated_at = :at WHERE id = :step_id AND run_id = :run_id;

-- name: step.landing_undone
UPDATE steps SET landing = NULL, updated_at = :at WHERE id = :step_id AND run_id = :run_id;

-- name: step.landed
UPDATE steps SET
    landing = NULL,
    landed = json_insert(landed, '$[#]', concat_ws(' ',
        json_extract(:body, '$.form'), json_extract(:body, '$.target'), json_extract(:body, '$.commit')
    )),
    updated_at = :at
WHERE id = :step_id AND run_id = :run_id;

-- name: attempt.started
-- Of an older event each attempt was one that a person asked for.
INSERT INTO attempts (
    id, seq, step_id, run_id, number, state, adapter, requested_adapter, feedback, tries, fallback,
    begins_at, created_at, updated_at
)
VALUES (
    :attempt_id, :seq, :step_id, :run_id, json_extract(:body, '$.number'), 'preparing',
    json_extract(:body, '$.adapter'), json_extract(:body, '$.requested_adapter'),
    json_extract(:body, '$.feedback'), coalesce(json_extract(:body, '$.tries'), 1),
    coalesce(json_extract(:body, '$.fallback'), 0), json_extract(:body, '$.begins_at'), :at, :at
);
UPDATE steps SET
    state = json_extract(:body, '$.step_state'), attempts = json_extract(:body, '$.number'),
    latest_attempt_id = :attempt_id, summary = '', reason = '', retryable = 0, next_try = NULL,
    updated_at = :at
WHERE id = :step_id AND run_id = :run_id;

-- name: workspace.ready
UPDATE attempts SET
    workspace = json_extract(:body, '$.workspace'), provisioning = json_extract(:body, '$.provisioning'),
    updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;

-- name: agent.launching
UPDATE attempts SET
    launch = json_extract(:body, '$.launch'),
    adapter_version = json_extract(:body, '$.adapter_version'),
    trust_level = json_extract(:body, '$.trust_level'), updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;

-- name: agent.started
UPDATE attempts SET
    agent_pid = json_extract(:body, '$.pid'), state = json_extract(:body, '$.attempt_state'),
    updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;
UPDATE steps SET state = json_extract(:body, '$.step_state'), updated_at = :at
WHERE id = :step_id AND run_id = :run_id;

-- name: question.asked
UPDATE attempts SET updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;
INSERT INTO questions (
    id, seq, run_id, step_id, attempt_id, launch, key, text, tool, paths, options, asked_at, expires_at
)
VALUES (
    json_extract(:body, '$.question_id'), :seq, :run_id, :step_id, :attempt_id,
    json_extract(:body, '$.launch'), json_extract(:body, '$.key'), json_extract(:body, '$.text'),
    json_extract(:body, '$.tool'), json_extract(:body, '$.paths'), json_extract(:body, '$.options'), :at,
    json_extract(:body, '$.expires_at')
);

-- name: question.answered
-- A second answer finds no row: the first one may have reached the agent.
UPDATE questions SET
    option = json_extract(:body, '$.option'), by = json_extract(:body, '$.by'),
    actor = json_extract(:body, '$.actor'), answered_at = :at
WHERE id = json_extract(:body, '$.question_id') AND attempt_id = :attempt_id AND step_id = :step_id
    AND run_id = :run_id AND answered_at IS NULL;
UPDATE attempts SET updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;

-- name: agent.paused
UPDATE attempts SET
    pauses = json_insert(pauses, '$[#]', json(json_extract(:body, '$.pause'))), updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;

-- name: scope.watched
UPDATE attempts SET scope = json_extract(:body, '$.report'), updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;

-- name: agent.halted
UPDATE attempts SET halt = json_extract(:body, '$.halt'), updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;

-- name: agent.exited
UPDATE attempts SET
    exit = json_extract(:body, '$.exit'), outcome = json_extract(:body, '$.outcome'),
    state = json_extract(:body, '$.attempt_state'), updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;
UPDATE steps SET state = json_extract(:body, '$.step_state'), updated_at = :at
WHERE id = :step_id AND run_id = :run_id;

-- name: snapshot.taken
UPDATE attempts SET
    snapshot = json_extract(:body, '$.snapshot'), state = json_extract(:body, '$.attempt_state'),
    updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;
UPDATE steps SET state = json_extract(:body, '$.step_state'), updated_at = :at
WHERE id = :step_id AND run_id = :run_id;

-- name: artifacts.stored
-- A file sealed again under its name (a stage entered twice) replaces the row as it replaced the file.
UPDATE attempts SET updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;
INSERT INTO artifacts (id, seq, attempt_id, name, path, size, sha256, media_type, created_at)
SELECT
    json_extract(value, '$.id'), :seq, json_extract(value, '$.attempt_id'),
    json_extract(value, '$.name'), json_extract(value, '$.path'), json_extract(value, '$.size'),
    json_extract(value, '$.sha256'), json_extract(value, '$.media_type'),
    json_extract(value, '$.created_at')
FROM json_each(:body, '$.artifacts') WHERE true
ON CONFLICT (attempt_id, name) DO UPDATE SET
    id = excluded.id, seq = excluded.seq, path = excluded.path, size = excluded.size,
    sha256 = excluded.sha256, media_type = excluded.media_type, created_at = excluded.created_at;

-- name: validation.finished
UPDATE attempts SET updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;
INSERT INTO validations (attempt_id, ordinal, name, state, result)
VALUES (
    :attempt_id, json_extract(:body, '$.ordinal'), json_extract(:body, '$.result.name'),
    json_extract(:body, '$.result.state'), json_extract(:body, '$.result')
)
ON CONFLICT (attempt_id, ordinal) DO UPDATE SET
    name = excluded.name, state = excluded.state, result = excluded.result;

-- name: policy.decided
UPDATE attempts SET
    verdict = json_extract(:body, '$.verdict'), facts = json_extract(:body, '$.facts'), updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;

-- name: gate.opened
UPDATE attempts SET updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;
INSERT INTO gates (
    id, seq, run_id, step_id, attempt_id, state, snapshot_tree, validated_tree, reasons,
    created_at, updated_at
)
VALUES (
    json_extract(:body, '$.gate_id'), :seq, :run_id, :step_id, :attempt_id, 'open',
    json_extract(:body, '$.snapshot_tree'), json_extract(:body, '$.validated_tree'),
    json_extract(:body, '$.reasons'), :at, :at
);

-- name: gate.closed
-- A person's answer takes the step out of its settled state, which revision counts; a void gate does not.
UPDATE gates SET
    state = json_extract(:body, '$.state'), actor = json_extract(:body, '$.actor'),
    note = json_extract(:body, '$.note'), updated_at = :at
WHERE id = json_extract(:body, '$.gate_id') AND step_id = :step_id AND run_id = :run_id;
UPDATE steps SET
    revision = revision + (json_extract(:body, '$.state') IN ('approved', 'rejected')), updated_at = :at
WHERE id = :step_id AND run_id = :run_id;

-- name: attempt.ended
UPDATE attempts SET
    state = json_extract(:body, '$.attempt_state'),
    result_state = json_extract(:body, '$.result_state'),
    summary = json_extract(:body, '$.summary'), timings = json_extract(:body, '$.timings'),
    updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;

-- name: workspace.released
UPDATE attempts SET released = 1, updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id;

-- name: snapshot.expired
UPDATE attempts SET snapshot = json_set(snapshot, '$.expired', json('true')), updated_at = :at
WHERE id = :attempt_id AND step_id = :step_id AND run_id = :run_id AND snapshot IS NOT NULL;
