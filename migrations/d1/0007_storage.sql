-- Small records of the service's own, which admins see and clear. Instants are milliseconds since 1970.

-- Values by name.
CREATE TABLE storage_entries (
  key        TEXT    PRIMARY KEY NOT NULL,
  value      TEXT    NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER                                    -- none for ever
);

CREATE INDEX storage_entries_newest ON storage_entries (created_at);
CREATE INDEX storage_entries_expiry ON storage_entries (expires_at) WHERE expires_at IS NOT NULL;

-- What is known of sources that were fetched. Their text is not here.
CREATE TABLE filter_cache (
  source       TEXT    PRIMARY KEY NOT NULL,            -- an address
  content_hash TEXT    NOT NULL,                        -- SHA-256 of the text, in hexadecimal
  n_bytes      INTEGER NOT NULL,                        -- length of the text
  fetched_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL
);

CREATE INDEX filter_cache_newest ON filter_cache (fetched_at);
CREATE INDEX filter_cache_expiry ON filter_cache (expires_at);

-- One row per compile that was noted.
CREATE TABLE compilation_metadata (
  id          INTEGER PRIMARY KEY,
  config_name TEXT    NOT NULL,                         -- the name within the configuration
  rule_count  INTEGER NOT NULL,                         -- lines of the result
  duration_ms INTEGER NOT NULL,
  compiled_at INTEGER NOT NULL
);

CREATE INDEX compilation_metadata_newest ON compilation_metadata (compiled_at);
