/** Where to go after signing in: a path of this console, never another place. */
export function safeNext(next: string | undefined): string {
  // Whatever a browser makes of blanks and backslashes, this says where it would lead.
  const here = 'http://here.invalid';
  if (!next?.startsWith('/') || !URL.canParse(next, here)) return '/limits';
  const { origin, pathname, search, hash } = new URL(next, here);
  return origin === here ? `${pathname}${search}${hash}` : '/limits';
}
