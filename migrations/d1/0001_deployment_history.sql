-- One row per deployment, written by the deploy command and told by GET /api/version.
CREATE TABLE deployment_history (
  id           INTEGER PRIMARY KEY,
  version      TEXT    NOT NULL,                  -- semantic version, e.g. 0.1.0
  build_number INTEGER NOT NULL,                  -- counts up over all versions
  full_version TEXT    NOT NULL,                  -- version and build number together
  git_commit   TEXT    NOT NULL,                  -- 40 hexadecimal digits
  git_branch   TEXT    NOT NULL,
  deployed_at  TEXT    NOT NULL,                  -- ISO 8601, UTC
  deployed_by  TEXT    NOT NULL,                  -- a person or a workflow
  status       TEXT    NOT NULL DEFAULT 'success' CHECK (status IN ('success', 'failed', 'rolled_back')),
  metadata     TEXT                               -- a JSON object, or nothing
);

CREATE INDEX deployment_history_newest ON deployment_history (deployed_at DESC, build_number DESC);
