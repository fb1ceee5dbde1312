import { ChangeDetectionStrategy, Component, inject } from '@angular/core';
import { RouterOutlet } from '@angular/router';

import { Auth } from './auth/auth';
import { Shell } from './shell/shell';

@Component({
  selector: 'app-root',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [RouterOutlet, Shell],
  template: `<app-shell><router-outlet /></app-shell>`,
})
export class App {
  constructor() {
    // Asks at once who this is: the first page may need it.
    inject(Auth);
  }
}
