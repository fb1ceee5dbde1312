-- The record of users. Instants are milliseconds since 1970.
CREATE TABLE users (
  id              TEXT    PRIMARY KEY,                 -- a UUID; what the rest of the service knows a user by
  email           TEXT    UNIQUE COLLATE NOCASE,       -- the primary address; none for users without one
  email_verified  INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
  display_name    TEXT,
  first_name      TEXT,
  last_name       TEXT,
  image_url       TEXT,
  tier            TEXT    NOT NULL DEFAULT 'free' CHECK (tier IN ('free', 'pro', 'admin')),
  role            TEXT    NOT NULL DEFAULT 'user' CHECK (role IN ('user', 'admin')),
  clerk_user_id   TEXT    UNIQUE,                      -- none for users who did not come from Clerk
  clerk_event_at  INTEGER,                             -- time of the newest of Clerk's events that was applied
  last_sign_in_at INTEGER,
  created_at      INTEGER NOT NULL,
  updated_at      INTEGER NOT NULL
) WITHOUT ROWID;

-- Users whom Clerk deleted. An event that was under way for long can't bring them back.
CREATE TABLE deleted_clerk_user (
  clerk_user_id TEXT    PRIMARY KEY,
  deleted_at    INTEGER NOT NULL                       -- time of Clerk's event
) WITHOUT ROWID;

-- Webhooks that were received and applied, by the sender's id: a repeated one is acknowledged and does nothing.
CREATE TABLE webhook_event (
  id          TEXT    PRIMARY KEY,                     -- svix-id
  type        TEXT    NOT NULL,                        -- e.g. user.created
  received_at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX webhook_event_oldest ON webhook_event (received_at);
