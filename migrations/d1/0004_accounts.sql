-- Users who sign in here, suspensions, and a note of every change until all who must know of it do.
-- SQLite can't drop the old CHECK of role, so the table is made anew.
CREATE TABLE users_next (
  id                TEXT    PRIMARY KEY,                 -- a UUID; what the rest of the service knows a user by
  email             TEXT    UNIQUE COLLATE NOCASE,       -- the primary address, in lower case; none for users without one
  email_verified    INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
  display_name      TEXT,
  first_name        TEXT,
  last_name         TEXT,
  image_url         TEXT,
  tier              TEXT    NOT NULL DEFAULT 'free' CHECK (tier IN ('free', 'pro', 'admin')),
  role              TEXT    NOT NULL DEFAULT 'user',     -- several joined by commas; admin has all rights
  rights_changed_at INTEGER NOT NULL DEFAULT 0,          -- when tier or role last changed
  banned            INTEGER NOT NULL DEFAULT 0 CHECK (banned IN (0, 1)),
  ban_reason        TEXT,
  ban_expires_at    INTEGER,                             -- none for ever
  clerk_user_id     TEXT    UNIQUE,                      -- none for users who did not come from Clerk
  clerk_event_at    INTEGER,                             -- time of the newest of Clerk's events that was applied
  clerk_tier_at     INTEGER NOT NULL DEFAULT 0,          -- time of the newest of Clerk's events that told the tier
  clerk_role_at     INTEGER NOT NULL DEFAULT 0,          -- likewise, of the role
  last_sign_in_at   INTEGER,
  version           INTEGER NOT NULL DEFAULT 1,          -- counts the changes of this row
  created_at        INTEGER NOT NULL,
  updated_at        INTEGER NOT NULL
) WITHOUT ROWID;

INSERT INTO users_next (id, email, email_verified, display_name, first_name, last_name, image_url, tier, role,
    clerk_user_id, clerk_event_at, clerk_tier_at, clerk_role_at, last_sign_in_at, created_at, updated_at)
  SELECT id, lower(email), email_verified, display_name, first_name, last_name, image_url, tier, role,
    clerk_user_id, clerk_event_at, coalesce(clerk_event_at, 0), coalesce(clerk_event_at, 0), last_sign_in_at, created_at, updated_at FROM users;
DROP TABLE users;
ALTER TABLE users_next RENAME TO users;

CREATE INDEX users_newest ON users (created_at DESC, id);

-- How a user signs in; one row per way. A password lies here and nowhere else.
CREATE TABLE account (
  id          TEXT    PRIMARY KEY,
  user_id     TEXT    NOT NULL,                          -- users.id
  provider_id TEXT    NOT NULL,                          -- credential: by password
  account_id  TEXT    NOT NULL,                          -- the user's id at the provider; users.id for credential
  password    TEXT,                                      -- scrypt, as Better Auth writes it: salt and key in hexadecimal
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL,
  UNIQUE (user_id, provider_id)
) WITHOUT ROWID;

-- What was mailed to somebody and waits to come back. Each row counts once.
CREATE TABLE verification (
  id         TEXT    PRIMARY KEY,
  identifier TEXT    NOT NULL UNIQUE,                    -- the purpose, and the token
  value      TEXT    NOT NULL,                           -- users.id
  expires_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX verification_oldest ON verification (expires_at);

-- Users whose object, or whose keys' record, may not know of their newest change yet. Written in the same step as
-- the change, removed when all who must know do; whoever finds a row finishes the work.
CREATE TABLE user_change (
  user_id    TEXT    PRIMARY KEY,                        -- users.id, also of one who was deleted
  id         TEXT    NOT NULL UNIQUE,                    -- of this change: tells nobody whose it is
  version    INTEGER NOT NULL,                           -- users.version
  deleted    INTEGER NOT NULL CHECK (deleted IN (0, 1)),
  changed_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX user_change_oldest ON user_change (changed_at);

-- The id by which the rest of the service knew a user who was deleted: whoever hears of the deletion again finds by it
-- what is left to do.
ALTER TABLE deleted_clerk_user ADD COLUMN user_id TEXT;   -- users.id; none if there was no such user

-- No statement has to remember any of this. Not INSERT OR REPLACE: an upsert of users would overrule that.
-- https://www.sqlite.org/lang_createtrigger.html
CREATE TRIGGER users_changed AFTER UPDATE ON users
WHEN OLD.version = NEW.version
BEGIN
  UPDATE users SET version = version + 1,
    rights_changed_at = iif(OLD.tier IS NOT NEW.tier OR OLD.role IS NOT NEW.role, NEW.updated_at, rights_changed_at)
    WHERE id = NEW.id;
  DELETE FROM user_change WHERE user_id = NEW.id;
  INSERT INTO user_change (user_id, id, version, deleted, changed_at)
    VALUES (NEW.id, lower(hex(randomblob(16))), NEW.version + 1, 0, NEW.updated_at);
END;

CREATE TRIGGER users_deleted AFTER DELETE ON users
BEGIN
  DELETE FROM account WHERE user_id = OLD.id;
  DELETE FROM verification WHERE value = OLD.id;
  DELETE FROM user_change WHERE user_id = OLD.id;
  INSERT INTO user_change (user_id, id, version, deleted, changed_at)
    VALUES (OLD.id, lower(hex(randomblob(16))), OLD.version + 1, 1, unixepoch() * 1000);
END;
