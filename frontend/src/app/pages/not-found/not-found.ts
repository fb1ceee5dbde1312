import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { Router, RouterLink } from '@angular/router';
import { MatButton } from '@angular/material/button';

import { Page } from '../../ui/page';

/** No such page, or none for this user. */
@Component({
  selector: 'app-not-found',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatButton, Page, RouterLink],
  template: `
    <app-page [heading]="heading" [about]="text">
      <div><a matButton="filled" routerLink="/">To the first page</a></div>
    </app-page>
  `,
})
export class NotFound {
  private readonly isForbidden = inject(Router).url.startsWith('/not-for-you');
  protected readonly heading = this.isForbidden ? 'This page is for admins' : 'There is no such page';
  protected readonly text = this.isForbidden
    ? 'Your account may not see it. Ask an admin to give you the role and tier “admin”.'
    : 'The address may be mistyped, or the page is gone. The menu shows what there is.';
}
