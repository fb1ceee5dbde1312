import { signal } from '@angular/core';

import type { Row } from './registry';

const PATH = '/api/admin/limits/live';
const PING = '{"type":"ping"}';
/** Between two pings. Whoever leaves one unanswered until the next is taken for lost. */
const PING_MS = 10_000;
const FIRST_WAIT_MS = 500;
const LAST_WAIT_MS = 15_000;

type Message =
  | { type: 'snapshot'; seq: number; at: number; rows: Row[]; count: number }
  | { type: 'changes'; seq: number; at: number; rows: Row[]; gone: string[] }
  | { type: 'pong' };

export interface Hearing {
  changes(rows: Row[], gone: string[]): void;
  /** Something was missed, or may have been: all has to be loaded. */
  missed(): void;
}

/** The service's live view, asked for again whenever it is lost. */
export class LiveSocket {
  readonly isOpen = signal(false);
  /** When the next attempt is made; none while it is open or under way. */
  readonly retryAt = signal<number | undefined>(undefined);
  /** By how much the service's clock is ahead of this one, in milliseconds. */
  readonly aheadMs = signal(0);
  private socket?: WebSocket;
  private seq = 0;
  private losses = 0;
  private isAnswered = true;
  private pinging?: ReturnType<typeof setInterval>;
  private retrying?: ReturnType<typeof setTimeout>;

  constructor(private readonly hearing: Hearing) {
    addEventListener('online', this.open);
    addEventListener('offline', this.lose);
    this.open();
  }

  close(): void {
    removeEventListener('online', this.open);
    removeEventListener('offline', this.lose);
    clearTimeout(this.retrying);
    this.drop();
  }

  private readonly open = (): void => {
    clearTimeout(this.retrying);
    this.retryAt.set(undefined);
    this.drop();
    const socket = new WebSocket(location.origin.replace(/^http/, 'ws') + PATH);
    this.socket = socket;
    socket.onmessage = ({ data }: MessageEvent<string>) => this.hear(JSON.parse(data) as Message);
    socket.onclose = this.lose;
    this.isAnswered = true;
    this.pinging = setInterval(() => this.ping(), PING_MS);
  };

  private hear(message: Message): void {
    this.isAnswered = true;
    if (message.type === 'pong') return;
    this.aheadMs.set(message.at - Date.now());
    const isNext = message.type === 'snapshot' || message.seq === this.seq + 1;
    this.seq = message.seq;
    if (message.type === 'snapshot') {
      this.losses = 0;
      this.isOpen.set(true);
      this.hearing.changes(message.rows, []);
    } else {
      this.hearing.changes(message.rows, message.gone);
    }
    if (message.type === 'snapshot' || !isNext) this.hearing.missed();
  }

  private ping(): void {
    if (!this.isAnswered) {
      this.lose();
      return;
    }
    this.isAnswered = false;
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(PING);
  }

  private readonly lose = (): void => {
    this.drop();
    clearTimeout(this.retrying);
    const wait = Math.min(FIRST_WAIT_MS * 2 ** this.losses, LAST_WAIT_MS);
    this.losses += 1;
    this.retryAt.set(Date.now() + wait);
    this.retrying = setTimeout(this.open, wait);
  };

  private drop(): void {
    clearInterval(this.pinging);
    this.isOpen.set(false);
    if (!this.socket) return;
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = undefined;
  }
}
