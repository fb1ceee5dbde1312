// A browser's cookies, strict: what a browser would refuse to store is an error here.

const ATTRIBUTES = new Set(["max-age", "path", "httponly", "secure", "samesite"]);

export class CookieJar {
  #cookies = new Map();
  #secure;

  /** `secure`: whether the connection counts as https, so that Secure cookies are stored and sent. */
  constructor(secure) {
    this.#secure = secure;
  }

  /** Stores the Set-Cookie lines of one answer, in their order: a later line wins. */
  store(lines) {
    for (const line of lines) {
      const cookie = parse(line);
      if (cookie.attributes.has("secure") && !this.#secure) throw new Error(`Secure over http: ${line}`);
      const lifetime = cookie.attributes.get("max-age");
      // Deleted first, so that the order is that of the last writing.
      this.#cookies.delete(cookie.name);
      if (lifetime === undefined || lifetime > 0) {
        const ends = lifetime === undefined ? Infinity : Date.now() + lifetime * 1000;
        this.#cookies.set(cookie.name, { value: cookie.value, ends });
      }
    }
  }

  /** The Cookie header of a request, or nothing. */
  header() {
    const live = [...this.#cookies].filter(([, { ends }]) => ends > Date.now());
    return live.length > 0 ? live.map(([name, { value }]) => `${name}=${value}`).join("; ") : undefined;
  }

  /** The value of a cookie as it was received. */
  get(name) {
    return this.#cookies.get(name)?.value;
  }

  /** Puts a cookie in by hand. */
  set(name, value) {
    this.#cookies.set(name, { value, ends: Infinity });
  }

  /** The names held, sorted. */
  names() {
    return [...this.#cookies.keys()].sort();
  }
}

function parse(line) {
  const [pair, ...rest] = line.split("; ");
  const split = pair.indexOf("=");
  if (split < 1) throw new Error(`Set-Cookie without a name: ${line}`);
  const name = pair.slice(0, split);
  const attributes = new Map();
  for (const part of rest) {
    const [key, value] = part.split("=");
    const known = key.toLowerCase();
    if (!ATTRIBUTES.has(known) || attributes.has(known)) throw new Error(`Set-Cookie with ${key}: ${line}`);
    attributes.set(known, known === "max-age" ? Number(value) : value);
  }
  if (Number.isNaN(attributes.get("max-age"))) throw new Error(`Max-Age is no number: ${line}`);
  if (attributes.get("path") !== "/") throw new Error(`Set-Cookie without Path=/: ${line}`);
  if (name.startsWith("__Secure-") && !attributes.has("secure")) throw new Error(`not Secure: ${line}`);
  return { name, value: pair.slice(split + 1), attributes };
}
