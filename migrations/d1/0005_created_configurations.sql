-- Configurations that somebody made to download them a little later, or from another machine. Whoever knows the
-- id may have them; they are gone after a day.
CREATE TABLE created_configurations (
  id            TEXT    PRIMARY KEY,                -- a random UUID
  configuration TEXT    NOT NULL,                   -- a JSON object
  format        TEXT    NOT NULL CHECK (format IN ('json', 'yaml')),
  expires_at    INTEGER NOT NULL                    -- milliseconds since 1970
) WITHOUT ROWID;

CREATE INDEX created_configurations_expiry ON created_configurations (expires_at);
