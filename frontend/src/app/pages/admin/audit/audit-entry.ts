import { JsonPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';

import type { Schema } from '../../../api/api';
import { Changes } from './changes';
import { differences, members } from './difference';

/** What one action was asked to do, and what it changed. */
@Component({
  selector: 'app-audit-entry',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Changes, JsonPipe],
  templateUrl: './audit-entry.html',
  styleUrl: './audit-entry.scss',
})
export class AuditEntryDetails {
  readonly entry = input.required<Schema<'AuditEntry'>>();

  protected readonly asked = computed(() => {
    const { action, details } = this.entry();
    // Actions on limits name themselves once more around what they were asked.
    const inner: unknown = typeof details === 'string' ? {} : (details[action] ?? details);
    return [...members(inner)].map(([name, value]) => ({ name, value })).filter(({ name }) => name !== '');
  });
  protected readonly changes = computed(() => differences(this.entry().before, this.entry().after));
  protected readonly hasStates = computed(() => this.entry().before !== null || this.entry().after !== null);
}
