-- Landings are recorded before they begin: of one that is not over, the event that began it.

ALTER TABLE steps ADD COLUMN landing INTEGER;
CREATE INDEX steps_landing ON steps (landing) WHERE landing IS NOT NULL;
