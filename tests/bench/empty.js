// Yardstick of `cargo xtask bench limits`: an empty handler, the least a request can cost.

export default {
  fetch() {
    return new Response(null);
  },
};
