-- What users keep for themselves. Instants are milliseconds since 1970. The large column of either table is its last,
-- and the tables have row ids: a listing reads the beginning of each row and leaves the rest where it is.

-- Sets of rules.
CREATE TABLE rule_set (
  id          TEXT    PRIMARY KEY NOT NULL,             -- a random UUID
  user_id     TEXT    NOT NULL,                         -- users.id; nobody else sees it
  name        TEXT    NOT NULL,                         -- 1 to 128 characters
  description TEXT,                                     -- at most 512 characters
  n_rules     INTEGER NOT NULL,                         -- length of rules
  tags        TEXT,                                     -- a JSON array of at most 20 texts
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  rules       TEXT    NOT NULL                          -- a JSON array of 1 to 10,000 texts
);

CREATE INDEX rule_set_newest ON rule_set (user_id, created_at);

-- Configurations.
CREATE TABLE saved_configuration (
  id            TEXT    PRIMARY KEY NOT NULL,           -- a random UUID
  user_id       TEXT    NOT NULL,                       -- users.id; nobody else sees it
  name          TEXT    NOT NULL,                       -- 1 to 128 characters; not the name within the configuration
  description   TEXT,                                   -- at most 512 characters
  created_at    INTEGER NOT NULL,
  updated_at    INTEGER NOT NULL,
  configuration TEXT    NOT NULL                        -- a JSON object
);

CREATE INDEX saved_configuration_newest ON saved_configuration (user_id, created_at);

-- Beside users_deleted, so that no statement has to remember it either.
CREATE TRIGGER users_deleted_with_their_sets AFTER DELETE ON users
BEGIN
  DELETE FROM rule_set WHERE user_id = OLD.id;
  DELETE FROM saved_configuration WHERE user_id = OLD.id;
END;
