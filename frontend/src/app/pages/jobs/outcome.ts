import { Injectable, signal } from '@angular/core';

/** What came of the last wish to cancel a job. The page tells it, because the job itself may be gone from view by then. */
@Injectable()
export class Outcome {
  readonly text = signal('');
}
