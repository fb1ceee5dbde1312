import { ChangeDetectionStrategy, Component, input } from '@angular/core';

import type { Change } from './difference';

/** What an action changed, before and after. */
@Component({
  selector: 'app-changes',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <div class="scroll" tabindex="0" role="region" aria-label="What the action changed">
      <table class="data">
        <thead>
          <tr>
            <th scope="col">Member</th>
            <th scope="col">Before</th>
            <th scope="col">After</th>
          </tr>
        </thead>
        <tbody>
          @for (change of changes(); track change.member) {
            <tr>
              <td><code>{{ change.member }}</code></td>
              <td>{{ change.before ?? '–' }}</td>
              <td><strong>{{ change.after ?? '–' }}</strong></td>
            </tr>
          }
        </tbody>
      </table>
    </div>
  `,
})
export class Changes {
  readonly changes = input.required<Change[]>();
}
