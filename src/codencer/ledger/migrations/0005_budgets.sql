-- Budgets of runs, why a run is in its state, and agents that the bridge watched or stopped.

ALTER TABLE runs ADD COLUMN reason TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN budget TEXT;
UPDATE runs SET reason = coalesce((
    SELECT json_extract(body, '$.reason') FROM events
    WHERE events.run_id = runs.id AND kind = 'run.advanced' ORDER BY events.seq DESC LIMIT 1
), '');

ALTER TABLE attempts ADD COLUMN halt TEXT;
ALTER TABLE attempts ADD COLUMN scope TEXT NOT NULL DEFAULT '{}';
CREATE INDEX attempts_of_run ON attempts (run_id, seq);
