import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { Router, RouterLink } from '@angular/router';
import { MatButton } from '@angular/material/button';

import { Empty } from '../../ui/empty';

/** No such page, or none for this user. */
@Component({
  selector: 'app-not-found',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Empty, MatButton, RouterLink],
  template: `
    <app-empty [heading]="heading" [text]="text">
      <a matButton="filled" routerLink="/">To the first page</a>
    </app-empty>
  `,
})
export class NotFound {
  private readonly isForbidden = inject(Router).url.startsWith('/not-for-you');
  protected readonly heading = this.isForbidden ? 'This page is for admins' : 'There is no such page';
  protected readonly text = this.isForbidden
    ? 'Your account may not see it. Ask an admin to give you the role and tier “admin”.'
    : 'The address may be mistyped, or the page is gone. The menu shows what there is.';
}
