import { Injectable, signal } from '@angular/core';

type Choice = 'system' | 'light' | 'dark';
const KEY = 'theme';

/** Light or dark: the system's, or what the user chose. `theme.js` applies the choice before the first paint. */
@Injectable({ providedIn: 'root' })
export class Theme {
  readonly choice = signal<Choice>(stored());

  choose(choice: Choice): void {
    this.choice.set(choice);
    document.documentElement.style.colorScheme = choice === 'system' ? '' : choice;
    if (choice === 'system') localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, choice);
  }
}

function stored(): Choice {
  if (typeof localStorage === 'undefined') return 'system';
  const text = localStorage.getItem(KEY);
  return text === 'light' || text === 'dark' ? text : 'system';
}
