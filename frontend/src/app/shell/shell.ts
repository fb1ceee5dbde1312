import { ChangeDetectionStrategy, Component, DestroyRef, computed, inject, signal } from '@angular/core';
import { MatButton, MatIconButton } from '@angular/material/button';
import { NavigationEnd, Router, RouterLink, RouterLinkActive } from '@angular/router';
import { CdkTrapFocus } from '@angular/cdk/a11y';
import { LucideLogOut, LucideMenu, LucideMonitor, LucideMoon, LucideSun, LucideX } from '@lucide/angular';

import { Auth } from '../auth/auth';
import { Theme } from './theme';

interface Place {
  path: string;
  name: string;
  exact?: boolean;
}

const EVERYBODY: Place[] = [
  { path: '/compiler', name: 'Compiler' },
  { path: '/validation', name: 'Validation' },
  { path: '/ast-viewer', name: 'Syntax trees' },
  { path: '/limits', name: 'My limits' },
  { path: '/api-docs', name: 'API' },
];
const OWNERS: Place[] = [
  { path: '/jobs', name: 'Jobs' },
  { path: '/rule-sets', name: 'Rule sets' },
  { path: '/api-keys', name: 'API keys' },
  { path: '/profile', name: 'Account' },
];
const ADMINS: Place[] = [
  { path: '/admin', name: 'Overview', exact: true },
  { path: '/admin/limits', name: 'Live counters' },
  { path: '/admin/policies', name: 'Policies' },
  { path: '/admin/users', name: 'Users' },
  { path: '/admin/audit', name: 'Audit' },
  { path: '/admin/storage', name: 'Storage' },
];

/** What surrounds every page: the bar, the menu, and the way to the content for the keyboard. */
@Component({
  selector: 'app-shell',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    MatButton,
    MatIconButton,
    RouterLink,
    RouterLinkActive,
    CdkTrapFocus,
    LucideLogOut,
    LucideMenu,
    LucideMonitor,
    LucideMoon,
    LucideSun,
    LucideX,
  ],
  templateUrl: './shell.html',
  styleUrl: './shell.scss',
  host: { '(document:keydown.escape)': 'isOpen.set(false)' },
})
export class Shell {
  protected readonly auth = inject(Auth);
  protected readonly theme = inject(Theme);
  private readonly router = inject(Router);

  /** Whether the menu is open on a narrow screen. */
  protected readonly isOpen = signal(false);
  protected readonly signOutFailed = signal('');
  protected readonly groups = computed(() => [
    { name: 'Lists', places: EVERYBODY },
    ...(this.auth.user() ? [{ name: 'Yours', places: OWNERS }] : []),
    ...(this.auth.isAdmin() ? [{ name: 'Admin', places: ADMINS }] : []),
  ]);
  protected readonly themeName = computed(
    () => ({ system: 'Theme of the system', light: 'Light theme', dark: 'Dark theme' })[this.theme.choice()],
  );

  constructor() {
    const events = this.router.events.subscribe((event) => {
      if (event instanceof NavigationEnd) this.isOpen.set(false);
    });
    inject(DestroyRef).onDestroy(() => events.unsubscribe());
  }

  protected nextTheme(): void {
    const next = { system: 'light', light: 'dark', dark: 'system' } as const;
    this.theme.choose(next[this.theme.choice()]);
  }

  protected skip(event: Event): void {
    event.preventDefault();
    document.getElementById('content')?.focus();
  }

  protected async signOut(): Promise<void> {
    this.signOutFailed.set('');
    try {
      await this.auth.signOut();
      await this.router.navigate(['/']);
    } catch (error) {
      this.signOutFailed.set(error instanceof Error ? error.message : String(error));
    }
  }
}
