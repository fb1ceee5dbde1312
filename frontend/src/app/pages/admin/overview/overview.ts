import { DecimalPipe, KeyValuePipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, computed, inject } from '@angular/core';
import { RouterLink } from '@angular/router';

import { Api, ok } from '../../../api/api';
import { Ago } from '../../../ui/ago';
import { Chart, type Line } from '../../../ui/chart';
import { every } from '../../../ui/every';
import { Page } from '../../../ui/page';
import { Problem } from '../../../ui/problem';
import { Skeleton } from '../../../ui/skeleton';
import { Polled } from './polled';
import { Readings } from './readings';

const READING_MS = 2000;
const REST_MS = 15_000;

const BLUE = 'var(--mat-sys-primary)';
const SERVICES: Record<string, string> = {
  d1: 'Records (D1)',
  postgres: 'API keys (PostgreSQL)',
  compiler: 'Compiler',
  auth: 'Signing in',
  cache: 'Cache of sources',
};
const TONES = { healthy: 'good', degraded: 'warn', down: 'bad' };

interface Drawing {
  name: string;
  about: string;
  unit: string;
  lines: Line[];
}

/** How the whole service does, as it moves. */
@Component({
  selector: 'app-admin-overview',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Ago, Chart, DecimalPipe, KeyValuePipe, Page, Problem, RouterLink, Skeleton],
  templateUrl: './overview.html',
  styleUrl: './overview.scss',
})
export class AdminOverview {
  private readonly api = inject(Api);
  protected readonly readings = inject(Readings);

  protected readonly reading = new Polled(() => this.readings.take());
  protected readonly cost = new Polled(() => ok(this.api.GET('/api/admin/limits/cost')));
  protected readonly metrics = new Polled(() => ok(this.api.GET('/api/metrics')));
  protected readonly health = new Polled(() => ok(this.api.GET('/api/health')));

  protected readonly tones = TONES;
  protected readonly places = [
    { path: '/admin/limits', name: 'Live counters', about: 'Who is counted right now, and how near their limits they are.' },
    { path: '/admin/policies', name: 'Policies', about: 'What is enforced for whom, and what only watches.' },
    { path: '/admin/users', name: 'Users', about: 'Tiers, roles, bans and sessions.' },
    { path: '/admin/audit', name: 'Audit', about: 'Who changed what, and why.' },
    { path: '/admin/storage', name: 'Storage', about: 'What lies in the database, and how to tidy it up.' },
  ];

  protected readonly drawings = computed<Drawing[]>(() => {
    const { readings } = this;
    const drawings: Drawing[] = [
      {
        name: 'Requests',
        about: 'Those that were let in, and those that a limit or a ban refused.',
        unit: '/s',
        lines: [
          { label: 'Admitted', colour: 'var(--good)', values: readings.admitted() },
          { label: 'Refused', colour: 'var(--bad)', values: readings.refused() },
        ],
      },
      {
        name: 'Writes per admit',
        about: 'Rows that counting wrote for each admitted request, over a minute.',
        unit: '',
        lines: [{ label: 'Writes per admit', colour: BLUE, values: readings.writesPerAdmit() }],
      },
      {
        name: 'Registry lag',
        about: 'How long reports to the live counters were under way, over a minute.',
        unit: 'ms',
        lines: [{ label: 'Lag', colour: BLUE, values: readings.lagMs() }],
      },
      {
        name: 'Object calls',
        about: 'Decisions and reports, over a minute: busy identities tell of theirs once a minute.',
        unit: '/s',
        lines: [
          { label: 'Decisions', colour: BLUE, values: readings.decisions() },
          { label: 'Reports', colour: 'var(--warn)', values: readings.reports() },
        ],
      },
      {
        name: 'Source hosts left alone',
        about: readings.latest()?.openHosts.join(', ') || 'Hosts that failed too often. None now.',
        unit: '',
        lines: [{ label: 'Hosts', colour: 'var(--bad)', values: readings.openHosts() }],
      },
    ];
    // A service that can't ask its record of jobs leaves them out.
    if (readings.jobs().some((value) => value !== null)) {
      drawings.push(
        {
          name: 'Queue depth',
          about: 'Jobs of all users that have not ended.',
          unit: '',
          lines: [{ label: 'Jobs', colour: BLUE, values: readings.jobs() }],
        },
        {
          name: 'Queue lag',
          about: 'How old the oldest of these jobs is.',
          unit: 's',
          lines: [{ label: 'Age', colour: 'var(--warn)', values: readings.oldestJobSeconds() }],
        },
      );
    }
    return drawings;
  });

  protected readonly totals = computed(() => {
    const cost = this.cost.data();
    return (
      cost && [
        { name: 'Admitted', value: cost.admits },
        { name: 'Refused', value: cost.denials },
        { name: 'Refused from memory', value: cost.cachedDenials },
        { name: 'Shadow refusals', value: cost.shadowDenials },
        { name: 'Admitted uncounted', value: cost.uncountedAdmits },
        { name: 'Writes per admit', value: cost.writesPerAdmit },
        { name: 'Units reserved in vain', value: cost.leaseWaste },
        { name: 'Registry lag, ms', value: cost.registryLagMs },
      ]
    );
  });

  constructor() {
    every(READING_MS, () => this.reading.poll());
    every(REST_MS, async () => {
      await Promise.all([this.cost.poll(), this.metrics.poll(), this.health.poll()]);
    });
  }

  protected nameOf(service: string): string {
    return SERVICES[service] ?? service;
  }
}
