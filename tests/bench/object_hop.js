// Yardstick of `cargo xtask bench limits`: the smallest hop to a Durable Object that stores nothing.

import { DurableObject } from "cloudflare:workers";

export class Hop extends DurableObject {
  fetch() {
    return new Response(null);
  }
}

export default {
  fetch(request, env) {
    return env.OBJECT.getByName(request.headers.get("CF-Connecting-IP")).fetch(request);
  },
};
