-- The record of API keys. The key itself is never stored, only its hash.
-- user_id names a row of another database (D1), so there is no foreign key: whoever deletes a user deletes
-- the keys too.
CREATE TABLE api_keys (
  id                    uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  user_id               uuid        NOT NULL,
  key_hash              text        NOT NULL UNIQUE,
  key_prefix            text        NOT NULL,
  name                  text        NOT NULL,
  scopes                text[]      NOT NULL DEFAULT '{compile}',
  rate_limit_per_minute integer     NOT NULL DEFAULT 60 CHECK (rate_limit_per_minute >= 0),
  expires_at            timestamptz,
  revoked_at            timestamptz,
  last_used_at          timestamptz,
  created_at            timestamptz NOT NULL DEFAULT now(),
  updated_at            timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE  api_keys IS 'One row per API key, revoked ones included.';
COMMENT ON COLUMN api_keys.id IS 'Names the key in the API.';
COMMENT ON COLUMN api_keys.user_id IS 'The owner: users.id in D1.';
COMMENT ON COLUMN api_keys.key_hash IS 'SHA-256 of the whole key text, 64 lower-case hexadecimal digits.';
COMMENT ON COLUMN api_keys.key_prefix IS 'First 8 characters of the key text, so that people can tell keys apart.';
COMMENT ON COLUMN api_keys.name IS 'What the owner calls it, 1 to 100 characters.';
COMMENT ON COLUMN api_keys.scopes IS 'What the key may do.';
COMMENT ON COLUMN api_keys.rate_limit_per_minute IS 'Requests per 60 seconds, besides the limit of the owner''s tier.';
COMMENT ON COLUMN api_keys.expires_at IS 'From here on the key is refused; null for never.';
COMMENT ON COLUMN api_keys.revoked_at IS 'Since when the key is refused; null while it is not.';
COMMENT ON COLUMN api_keys.last_used_at IS 'Last request with this key; written behind, so it may lag by a minute.';
COMMENT ON COLUMN api_keys.created_at IS 'When the key was made.';
COMMENT ON COLUMN api_keys.updated_at IS 'Last change of name, scopes or limits.';

CREATE INDEX api_keys_of_user ON api_keys (user_id, created_at DESC);
