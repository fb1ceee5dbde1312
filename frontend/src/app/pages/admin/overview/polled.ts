import { signal } from '@angular/core';

import { ApiProblem } from '../../../api/problem';

/** Something that is asked for again and again. What is known stays when one asking fails. */
export class Polled<T> {
  readonly data = signal<T | undefined>(undefined);
  readonly problem = signal<ApiProblem | null>(null);
  private nAsked = 0;

  constructor(private readonly ask: () => Promise<T>) {}

  /** Asks, unless it is known that it would only be refused once more. */
  async poll(): Promise<void> {
    if ((this.problem()?.retryAt ?? 0) <= Date.now()) await this.load();
  }

  /** Asks. Only the answer to the last question counts: an earlier one may have been about something else. */
  async load(): Promise<void> {
    this.nAsked += 1;
    const turn = this.nAsked;
    try {
      const data = await this.ask();
      if (turn !== this.nAsked) return;
      this.data.set(data);
      this.problem.set(null);
    } catch (error) {
      if (turn === this.nAsked) this.problem.set(ApiProblem.of(error));
    }
  }
}
