-- Jobs that have not ended are counted each time Prometheus or the overview asks; those that have are many more.
CREATE INDEX job_unfinished ON job (created_at) WHERE ended_at IS NULL;
