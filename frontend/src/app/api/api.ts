import { Injectable, inject } from '@angular/core';
import createClient from 'openapi-fetch';

import { Credentials } from '../auth/credentials';
import { ApiProblem } from './problem';
import type { components, paths } from '../../../generated/api';

/** A named shape of the API document, e.g. `Schema<'RuleSet'>`. */
export type Schema<Name extends keyof components['schemas']> = components['schemas'][Name];

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/**
 * The service's API, typed by its own document.
 *
 *     const { keys } = await ok(this.api.GET('/api/keys'));
 */
@Injectable({ providedIn: 'root' })
export class Api {
  private readonly credentials = inject(Credentials);
  private readonly client = createClient<paths>({
    baseUrl: '/',
    credentials: 'same-origin',
    fetch: (request) => this.credentials.send(request),
  });

  readonly GET = this.client.GET;
  readonly POST = this.client.POST;
  readonly PUT = this.client.PUT;
  readonly PATCH = this.client.PATCH;
  readonly DELETE = this.client.DELETE;
}

/** What a good answer brought. Any other is thrown as an {@link ApiProblem}. */
export async function ok<T>(asked: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await asked.catch((cause: unknown) => {
    throw ApiProblem.of(cause);
  });
  if (!response.ok) throw ApiProblem.fromAnswer(response, error);
  return data as T;
}
