import { CdkFixedSizeVirtualScroll, CdkVirtualForOf, CdkVirtualScrollViewport } from '@angular/cdk/scrolling';
import { DecimalPipe } from '@angular/common';
import { ChangeDetectionStrategy, Component, DestroyRef, PLATFORM_ID, computed, inject, signal } from '@angular/core';
import { isPlatformBrowser } from '@angular/common';
import { MatButton } from '@angular/material/button';
import { MatButtonToggleModule } from '@angular/material/button-toggle';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { MatSelectModule } from '@angular/material/select';
import { RouterLink } from '@angular/router';
import { LucidePause, LucidePlay } from '@lucide/angular';

import { Api, type Schema, ok } from '../../../api/api';
import { ApiProblem } from '../../../api/problem';
import { Clock } from '../../../ui/clock';
import { Page } from '../../../ui/page';
import { Problem } from '../../../ui/problem';
import { LiveSocket } from './live-socket';
import { type Entry, type Filter, Registry, type Row, type Sort, type Wanted, levelOf } from './registry';
import { Sparkline } from './sparkline';

/** How often what changed is shown, in milliseconds. */
const SHOW_MS = 250;
const PAGE = 500;
const FILTERS: { value: Filter | ''; name: string }[] = [
  { value: '', name: 'All' },
  { value: 'near', name: 'Near limit' },
  { value: 'refused', name: 'Refused' },
  { value: 'banned', name: 'Banned' },
  { value: 'overridden', name: 'Overridden' },
  { value: 'shadowed', name: 'Shadowed' },
];
const SORTS: { value: Sort; name: string }[] = [
  { value: 'recent', name: 'Last heard of' },
  { value: 'level', name: 'Nearest to the limit' },
  { value: 'refused', name: 'Most refusals' },
  { value: 'name', name: 'Name' },
];

/** Every identity that is counted, as it moves. */
@Component({
  selector: 'app-admin-live',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    CdkFixedSizeVirtualScroll,
    CdkVirtualForOf,
    CdkVirtualScrollViewport,
    DecimalPipe,
    LucidePause,
    LucidePlay,
    MatButton,
    MatButtonToggleModule,
    MatFormFieldModule,
    MatInputModule,
    MatSelectModule,
    Page,
    Problem,
    RouterLink,
    Sparkline,
  ],
  templateUrl: './live.html',
  styleUrl: './live.scss',
})
export class AdminLive {
  private readonly api = inject(Api);
  private readonly clock = inject(Clock);
  private readonly registry = new Registry();
  private socket?: LiveSocket;

  protected readonly filters = FILTERS;
  protected readonly sorts = SORTS;
  protected readonly wanted = signal<Wanted>({ filter: '', search: '', sort: 'recent' });
  protected readonly rows = signal<readonly Entry[]>([]);
  protected readonly total = signal(0);
  protected readonly isPaused = signal(false);
  protected readonly isLoading = signal(true);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly state = computed(() => {
    const { socket } = this;
    if (this.isPaused()) return 'paused';
    return socket?.isOpen() ? 'live' : 'reconnecting';
  });
  protected readonly retrySeconds = computed(() => {
    const at = this.socket?.retryAt();
    return at === undefined ? 0 : Math.max(0, Math.ceil((at - this.clock.now()) / 1000));
  });
  private turn = 0;

  constructor() {
    if (!isPlatformBrowser(inject(PLATFORM_ID))) return;
    const socket = new LiveSocket({
      changes: (rows, gone) => {
        this.registry.put(rows);
        for (const identity of gone) this.registry.remove(identity);
      },
      missed: () => void this.load(),
    });
    this.socket = socket;
    const showing = setInterval(() => this.show(), SHOW_MS);
    inject(DestroyRef).onDestroy(() => {
      this.turn += 1;
      clearInterval(showing);
      socket.close();
    });
  }

  protected want(change: Partial<Wanted>): void {
    const wanted = { ...this.wanted(), ...change };
    this.wanted.set(wanted);
    this.registry.want({ ...wanted, search: wanted.search.trim().toLowerCase() });
    this.rows.set(this.registry.refresh());
  }

  protected valueOf(event: Event): string {
    return (event.target as HTMLInputElement).value;
  }

  protected togglePause(): void {
    this.isPaused.update((is) => !is);
    this.show();
  }

  /** All rows, page by page, beside the changes that come meanwhile. */
  protected async load(): Promise<void> {
    this.turn += 1;
    const turn = this.turn;
    this.isLoading.set(true);
    this.problem.set(undefined);
    this.registry.beginLoad();
    try {
      let after: string | undefined;
      do {
        const query = { sort: 'name' as const, limit: PAGE, after };
        const page: Schema<'IdentityList'> = await ok(this.api.GET('/api/admin/limits', { params: { query } }));
        if (turn !== this.turn) return;
        this.registry.put(page.rows);
        after = page.next ?? undefined;
      } while (after);
      this.registry.endLoad();
    } catch (error) {
      if (turn === this.turn) this.problem.set(ApiProblem.of(error));
    } finally {
      if (turn === this.turn) this.isLoading.set(false);
    }
  }

  private show(): void {
    if (this.isPaused()) return;
    if (this.registry.isDirty) this.rows.set(this.registry.refresh());
    this.total.set(this.registry.size);
  }

  protected readonly identityOf = (_: number, { row }: Entry): string => row.identity;

  protected shareOf(row: Row): number {
    return Math.min(100, 100 * levelOf(row));
  }

  protected ageOf({ at }: Row): string {
    const seconds = Math.max(0, Math.round((this.clock.now() + (this.socket?.aheadMs() ?? 0) - at) / 1000));
    if (seconds < 60) return `${seconds} s`;
    return seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
  }

  /** Whether the window that the numbers are about has ended. */
  protected isOver({ resetAt }: Row): boolean {
    return resetAt > 0 && resetAt < this.clock.now() + (this.socket?.aheadMs() ?? 0);
  }
}
