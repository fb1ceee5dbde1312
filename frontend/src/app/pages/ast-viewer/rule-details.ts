import { ChangeDetectionStrategy, Component, computed, input } from '@angular/core';
import { MatTabsModule } from '@angular/material/tabs';

import { Copy } from '../../ui/copy';
import { propertiesOf } from './properties';
import { RuleTree } from './rule-tree';

/** A rule that was understood: its tree, its main parts if they are known, and the tree as JSON. */
@Component({
  selector: 'app-rule-details',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [Copy, MatTabsModule, RuleTree],
  template: `
    <mat-tab-group animationDuration="0ms" mat-stretch-tabs="false">
      <mat-tab label="Tree">
        <ng-template matTabContent><app-rule-tree class="tab" [rule]="rule()" [ast]="ast()" /></ng-template>
      </mat-tab>
      @if (properties(); as properties) {
        <mat-tab label="Properties">
          <ng-template matTabContent>
            <dl class="tab">
              @for (property of properties; track property.name) {
                <dt>{{ property.name }}</dt>
                <dd>
                  @for (value of property.values; track $index) {
                    <code>{{ value }}</code>
                  } @empty {
                    <span class="muted">none</span>
                  }
                </dd>
              } @empty {
                <dd class="muted">This sort of rule has no parts.</dd>
              }
            </dl>
          </ng-template>
        </mat-tab>
      }
      <mat-tab label="JSON">
        <ng-template matTabContent>
          <div class="tab stack">
            <app-copy [text]="json()" label="Copy JSON" />
            <pre tabindex="0" role="region" aria-label="Syntax tree as JSON">{{ json() }}</pre>
          </div>
        </ng-template>
      </mat-tab>
    </mat-tab-group>
  `,
  styleUrl: './rule-details.scss',
})
export class RuleDetails {
  readonly rule = input.required<string>();
  readonly ast = input.required<unknown>();
  /** The main parts as the service tells them. */
  readonly parts = input<unknown>();

  protected readonly properties = computed(() =>
    this.parts() === undefined ? undefined : propertiesOf(this.parts()),
  );
  protected readonly json = computed(() => JSON.stringify(this.ast(), null, 2));
}
