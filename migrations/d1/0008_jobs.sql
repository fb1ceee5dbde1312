-- The record of jobs, from which their owners see how they stand. Each job's own object decides; this says how it was
-- accepted and how it ended. Instants are milliseconds since 1970.

CREATE TABLE job (
  request_id    TEXT    PRIMARY KEY NOT NULL,
  user_id       TEXT    NOT NULL,                       -- users.id; nobody else sees it
  config_name   TEXT    NOT NULL,                       -- the configuration's name; of a batch, how many lists it has
  high_priority INTEGER NOT NULL,                       -- 1 if it overtakes others
  status        TEXT    NOT NULL,                       -- queued, or how it ended: completed, failed, cancelled
  created_at    INTEGER NOT NULL,
  started_at    INTEGER,                                -- none if it was never begun
  ended_at      INTEGER,                                -- none until it has ended
  rule_count    INTEGER,                                -- lines of the result
  error         TEXT                                    -- why it failed, at most 2,000 characters
);

CREATE INDEX job_newest ON job (user_id, created_at);
CREATE INDEX job_expiry ON job (created_at);

-- As with all else that users have, no statement has to remember it.
CREATE TRIGGER users_deleted_with_their_jobs AFTER DELETE ON users
BEGIN
  DELETE FROM job WHERE user_id = OLD.id;
END;
