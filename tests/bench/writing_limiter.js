// Yardstick of `cargo xtask bench limits`: a limiter that writes each count to its object's SQLite storage.
// One statement reads, counts and writes: a thousand million requests per 60 s and address, as the measured
// route has then.

import { DurableObject } from "cloudflare:workers";

const QUOTA = 1_000_000_000;
const WINDOW_MS = 60_000;

const COUNT = `
  INSERT INTO ledger (id, ends_at, used) VALUES (1, ?1 + ?2, 1)
  ON CONFLICT (id) DO UPDATE SET
    used = iif(ends_at <= ?1, 1, used + 1),
    ends_at = iif(ends_at <= ?1, ?1 + ?2, ends_at)
  RETURNING used`;

export class Limiter extends DurableObject {
  constructor(state, env) {
    super(state, env);
    state.storage.sql.exec("CREATE TABLE IF NOT EXISTS ledger (id INTEGER PRIMARY KEY, ends_at INTEGER, used INTEGER)");
  }

  fetch() {
    const { used } = this.ctx.storage.sql.exec(COUNT, Date.now(), WINDOW_MS).one();
    return new Response(null, { status: used <= QUOTA ? 200 : 429 });
  }
}

export default {
  fetch(request, env) {
    return env.OBJECT.getByName(request.headers.get("CF-Connecting-IP")).fetch(request);
  },
};
