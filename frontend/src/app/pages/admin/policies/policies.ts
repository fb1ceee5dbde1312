import { DecimalPipe, KeyValuePipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { RouterLink } from '@angular/router';

import { Api, type Schema, ok } from '../../../api/api';
import { Ago } from '../../../ui/ago';
import { Empty } from '../../../ui/empty';
import { every } from '../../../ui/every';
import { Page } from '../../../ui/page';
import { Problem } from '../../../ui/problem';
import { Skeleton } from '../../../ui/skeleton';
import { Polled } from '../overview/polled';

type Terms = Schema<'PolicyTerms'>;

const POLL_MS = 5000;
const PAGE = 100;
const TIERS = ['anonymous', 'free', 'pro', 'admin'];
const WINDOWS: Record<Terms['window'], string> = {
  fixed: 'from the first request on',
  calendar: 'by the clock, UTC',
  sliding: 'sliding',
  bucket: 'refilled evenly',
  concurrency: 'held until it is done',
};
const UNITS: [string, number][] = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1000],
];

/** What is counted for whom, and whom the policies in shadow would have refused. */
@Component({
  selector: 'app-admin-policies',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, DecimalPipe, Empty, KeyValuePipe, MatButton, Page, Problem, RouterLink, Skeleton],
  templateUrl: './policies.html',
  styleUrl: './policies.scss',
})
export class AdminPolicies {
  private readonly api = inject(Api);

  protected readonly policies = new Polled(async () => (await ok(this.api.GET('/api/admin/policies'))).policies);
  protected readonly cost = new Polled(() => ok(this.api.GET('/api/admin/limits/cost')));
  protected readonly shadowed = new Polled(() => this.list());
  /** Where each page of the list begins; the last is the one that is shown. */
  protected readonly places = signal<(string | undefined)[]>([undefined]);

  protected readonly windows = WINDOWS;
  protected readonly byTier = computed(() => {
    const policies = this.policies.data();
    return policies && TIERS.map((tier) => ({ tier, policies: policies.filter((policy) => policy.tier === tier) }));
  });
  protected readonly shadows = computed(() => {
    const inShadow = (this.policies.data() ?? []).filter((policy) => policy.shadow);
    return [...new Set(inShadow.map((policy) => policy.name))];
  });

  constructor() {
    void this.policies.load();
    every(POLL_MS, async () => {
      await Promise.all([this.cost.poll(), this.shadowed.poll()]);
    });
  }

  protected async turnTo(next: string | null | undefined): Promise<void> {
    this.places.update((places) => (next ? [...places, next] : places.slice(0, -1)));
    await this.shadowed.load();
  }

  private list(): Promise<Schema<'IdentityList'>> {
    const query = { filter: 'shadowed' as const, limit: PAGE, after: this.places().at(-1) };
    return ok(this.api.GET('/api/admin/limits', { params: { query } }));
  }

  protected lengthOf({ windowMs }: Terms): string {
    const [unit, size] = UNITS.find(([, size]) => windowMs >= size && windowMs % size === 0) ?? ['ms', 1];
    return `${(windowMs / size).toLocaleString('en')} ${unit}`;
  }
}
