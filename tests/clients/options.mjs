// Options of these programs: `--some-name VALUE`, else the environment's `CLIENTS_SOME_NAME`.

/** The value of an option; without a default the option is required. */
export function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  const variable = `CLIENTS_${name.toUpperCase().replaceAll("-", "_")}`;
  const given = at < 0 ? process.env[variable] : process.argv[at + 1];
  const value = given ?? otherwise;
  if (value === undefined) {
    console.error(`--${name} is missing`);
    process.exit(2);
  }
  return value;
}
