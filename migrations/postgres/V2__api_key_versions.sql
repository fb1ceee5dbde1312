-- Counts the changes of a key, so that whoever keeps its state can tell newer from older.
ALTER TABLE api_keys ADD COLUMN version bigint NOT NULL DEFAULT 1;
ALTER TABLE api_keys ADD COLUMN request_count bigint NOT NULL DEFAULT 0;

COMMENT ON COLUMN api_keys.version IS 'Counts the changes of scopes, limits and revocation.';
COMMENT ON COLUMN api_keys.request_count IS 'Counted requests with this key; written behind, like last_used_at.';
