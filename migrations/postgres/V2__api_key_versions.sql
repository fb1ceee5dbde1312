-- Counts the changes of a key, so that whoever keeps its state can tell newer from older.
ALTER TABLE api_keys ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE api_keys ADD COLUMN request_count bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN api_keys.version IS 'Counts the changes of scopes, limits and revocation.';
COMMENT ON COLUMN api_keys.request_count IS 'Counted requests with this key; written behind, like last_used_at.';

-- Whoever changes a key, by hand too, makes a new version of it: the owner's object takes nothing else for news.
-- Uses are no change. There is no condition on the values, so that telling once more is possible.
CREATE FUNCTION note_api_key_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.version := OLD.version + 1;
  NEW.updated_at := now();
  RETURN NEW;
END
$$;

CREATE TRIGGER api_key_changed
  BEFORE UPDATE OF name, scopes, rate_limit_per_minute, expires_at, revoked_at ON api_keys
  FOR EACH ROW EXECUTE FUNCTION note_api_key_change();

-- Admins name a key by what is shown of it.
CREATE INDEX api_keys_by_prefix ON api_keys (key_prefix);

COMMENT ON COLUMN api_keys.last_used_at IS 'Last request with this key that was let in; written behind by a few seconds.';
COMMENT ON COLUMN api_keys.updated_at IS 'Last change of name, scopes, limits or revocation.';
