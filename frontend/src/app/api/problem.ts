/** An answer that says no, or no answer at all. */
export class ApiProblem extends Error {
  constructor(
    /** HTTP status; 0 if there was no answer. */
    readonly status: number,
    message: string,
    /** The service's stable code, e.g. `rate_limited`; empty if it gave none. */
    readonly code: string = '',
    /** When asking again makes sense, in milliseconds since 1970. */
    readonly retryAt?: number,
    /** The whole body, for the few that carry more. */
    readonly body?: unknown,
  ) {
    super(message);
    this.name = 'ApiProblem';
  }

  static of(error: unknown): ApiProblem {
    if (error instanceof ApiProblem) return error;
    if (error instanceof TypeError) {
      return new ApiProblem(0, 'The service can’t be reached. Check your connection and try again.');
    }
    return new ApiProblem(0, error instanceof Error ? error.message : String(error));
  }

  /** Reads an answer's body: a problem document, the simple form, or Better Auth's. */
  static fromAnswer(response: Response, body: unknown): ApiProblem {
    const members = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {};
    const text = (name: string) => (typeof members[name] === 'string' ? (members[name] as string) : undefined);
    const message =
      text('detail') ?? text('error') ?? text('message') ?? text('title') ?? `The service answered ${response.status}.`;
    const seconds = Number(response.headers.get('Retry-After') ?? members['retryAfter']);
    const retryAt = response.status !== 0 && seconds > 0 ? Date.now() + seconds * 1000 : undefined;
    return new ApiProblem(response.status, message, text('code') ?? '', retryAt, body);
  }
}
