// Notes every WebAssembly memory that modules evaluated after this one make.

const Instance = WebAssembly.Instance;

export const memories = [];

WebAssembly.Instance = function (module, imports) {
  const instance = new Instance(module, imports);
  if (instance.exports.memory) memories.push(instance.exports.memory);
  return instance;
};
