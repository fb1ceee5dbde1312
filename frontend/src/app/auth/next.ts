/** Where to go after signing in: a path of this console, never another place. */
export function safeNext(next: string | undefined): string {
  return next?.startsWith('/') && !next.startsWith('//') && !next.includes('\\') ? next : '/limits';
}
