-- One row per admin action on an identity's limits. Written as pending before the action and completed after
-- it, so that no action is missing here and none is here twice, whatever dies in between.
CREATE TABLE limit_audit (
  id         TEXT    PRIMARY KEY,                -- of the action; the client's Idempotency-Key, or the request's id
  asked_at   INTEGER NOT NULL,                   -- milliseconds since 1970
  identity   TEXT    NOT NULL,                   -- e.g. net:203.0.113.9
  author     TEXT    NOT NULL,                   -- who acted
  action     TEXT    NOT NULL,                   -- reset, set_override, clear_override, ban or unban
  details    TEXT    NOT NULL,                   -- a JSON object: what was asked for, with the reason
  outcome    TEXT    NOT NULL DEFAULT 'pending' CHECK (outcome IN ('pending', 'done', 'never_happened')),
  before     TEXT,                               -- the identity's state before, a JSON object; none until done
  after      TEXT                                -- the same after
) WITHOUT ROWID;

CREATE INDEX limit_audit_newest ON limit_audit (asked_at DESC, id);
CREATE INDEX limit_audit_identity ON limit_audit (identity, asked_at DESC, id);
CREATE INDEX limit_audit_pending ON limit_audit (asked_at) WHERE outcome = 'pending';
