import { Injectable, PLATFORM_ID, inject, signal } from '@angular/core';
import { isPlatformBrowser } from '@angular/common';

/** The time of day as a signal that moves every second, one for all who show ages and countdowns. */
@Injectable({ providedIn: 'root' })
export class Clock {
  private readonly time = signal(Date.now());
  readonly now = this.time.asReadonly();

  constructor() {
    if (isPlatformBrowser(inject(PLATFORM_ID))) setInterval(() => this.time.set(Date.now()), 1000);
  }
}
