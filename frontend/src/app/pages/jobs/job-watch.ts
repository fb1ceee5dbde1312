import { computed, signal } from '@angular/core';

import { type JobStatus, type Notice, type Step, hasEnded, stepOf } from './notice';

const PING = '{"type":"ping"}';
const PING_MS = 20_000;
const FIRST_WAIT_MS = 1000;
const LAST_WAIT_MS = 15_000;

/**
 * Watches a job over a WebSocket until it has ended or {@link close} is called.
 *
 * A browser may not notice for minutes that a connection is gone, so pings are sent; one that nothing came after is
 * lost. What is lost is opened again, and the first notice then tells how things stand.
 */
export class JobWatch {
  private socket?: WebSocket;
  private pinging?: ReturnType<typeof setInterval>;
  private retrying?: ReturnType<typeof setTimeout>;
  private isOver = false;
  private hasHeard = false;
  private isDue = false;
  private readonly losses = signal(0);
  private readonly isOpen = signal(false);

  /** Undefined until the service has told. */
  readonly status = signal<JobStatus | undefined>(undefined);
  readonly step = signal<Step | undefined>(undefined);
  /** Why it failed. */
  readonly error = signal('');
  readonly ruleCount = signal<number | undefined>(undefined);
  readonly hasEnded = computed(() => {
    const status = this.status();
    return status !== undefined && hasEnded(status);
  });
  readonly isReconnecting = computed(() => !this.hasEnded() && !this.isOpen() && this.losses() > 0);
  /** How often in a row it could not be watched. */
  readonly failures = this.losses.asReadonly();

  constructor(private readonly requestId: string) {
    addEventListener('offline', this.onOffline);
    addEventListener('online', this.onOnline);
    this.open();
  }

  close(): void {
    this.isOver = true;
    this.drop();
    clearTimeout(this.retrying);
    removeEventListener('offline', this.onOffline);
    removeEventListener('online', this.onOnline);
  }

  private readonly onOffline = () => this.lose();

  private readonly onOnline = () => {
    // No need to wait any longer.
    if (this.retrying !== undefined) this.open();
  };

  private open(): void {
    clearTimeout(this.retrying);
    this.retrying = undefined;
    this.drop();
    const origin = location.origin.replace(/^http/, 'ws');
    const socket = new WebSocket(`${origin}/api/queue/events/${encodeURIComponent(this.requestId)}`);
    this.socket = socket;
    this.isDue = false;
    socket.onopen = () => {
      this.isOpen.set(true);
      this.pinging = setInterval(() => this.ping(), PING_MS);
    };
    socket.onmessage = ({ data }: MessageEvent<string>) => this.hear(data);
    socket.onclose = () => this.lose();
  }

  private ping(): void {
    if (this.isDue && !this.hasHeard) {
      this.lose();
      return;
    }
    this.isDue = true;
    this.hasHeard = false;
    this.socket?.send(PING);
  }

  private hear(text: string): void {
    this.hasHeard = true;
    const notice = JSON.parse(text) as Notice | { type: 'pong' };
    switch (notice.type) {
      case 'snapshot':
        this.losses.set(0);
        this.status.set(notice.status);
        if (notice.last) this.step.set(stepOf(notice.last) ?? this.step());
        break;
      case 'event':
        this.step.set(stepOf(notice) ?? this.step());
        break;
      case 'status':
        this.status.set(notice.status);
        this.error.set(notice.error ?? '');
        this.ruleCount.set(notice.ruleCount);
        if (hasEnded(notice.status)) this.close();
        break;
      case 'pong':
        break;
    }
  }

  private lose(): void {
    if (this.isOver || this.retrying !== undefined) return;
    this.drop();
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.losses(), LAST_WAIT_MS);
    this.losses.update((n) => n + 1);
    this.retrying = setTimeout(() => this.open(), wait);
  }

  private drop(): void {
    clearInterval(this.pinging);
    this.isOpen.set(false);
    if (!this.socket) return;
    this.socket.onopen = this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = undefined;
  }
}
