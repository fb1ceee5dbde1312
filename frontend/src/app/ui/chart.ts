import {
  ChangeDetectionStrategy,
  Component,
  DestroyRef,
  ElementRef,
  afterNextRender,
  computed,
  effect,
  inject,
  input,
  viewChild,
} from '@angular/core';
import type uPlot from 'uplot';

/** One line of a chart. */
export interface Line {
  label: string;
  /** A CSS colour; variables are allowed. */
  colour: string;
  /** One value per instant; null where there is none. */
  values: (number | null)[];
}

/** Lines over time on a canvas, and their latest values as text for who can't see it. */
@Component({
  selector: 'app-chart',
  changeDetection: ChangeDetectionStrategy.OnPush,
  template: `
    <div class="legend">
      @for (line of lines(); track line.label) {
        <span><i [style.background]="line.colour"></i>{{ line.label }} <b class="number">{{ latest(line) }}</b></span>
      }
    </div>
    <div #place class="place" role="img" [attr.aria-label]="summary()" [style.height.px]="height()"></div>
  `,
  styles: `
    :host {
      display: block;
      min-width: 0;
    }
    .legend {
      display: flex;
      flex-wrap: wrap;
      gap: 0.25rem 1rem;
      font-size: 0.85rem;
    }
    i {
      display: inline-block;
      width: 0.75rem;
      height: 0.2rem;
      margin-inline-end: 0.4rem;
      vertical-align: middle;
    }
    .place {
      overflow: hidden;
    }
  `,
})
export class Chart {
  readonly label = input.required<string>();
  /** Seconds since 1970, rising. */
  readonly times = input.required<number[]>();
  readonly lines = input.required<Line[]>();
  readonly height = input(160);
  readonly unit = input('');

  private readonly place = viewChild.required<ElementRef<HTMLElement>>('place');
  private plot?: uPlot;
  private readonly data = computed(
    () => [this.times(), ...this.lines().map((line) => line.values)] as uPlot.AlignedData,
  );
  protected readonly summary = computed(
    () => `${this.label()}: ${this.lines().map((line) => `${line.label} ${this.latest(line)}`).join(', ')}`,
  );

  constructor() {
    const destroyed = inject(DestroyRef);
    let observer: ResizeObserver | undefined;
    afterNextRender(async () => {
      const { makeChart } = await import('./chart-setup');
      if (destroyed.destroyed) return;
      const place = this.place().nativeElement;
      this.plot = makeChart(place, this.lines(), this.height(), this.data());
      observer = new ResizeObserver(() => this.plot?.setSize({ width: place.clientWidth, height: this.height() }));
      observer.observe(place);
    });
    effect(() => {
      const data = this.data();
      this.plot?.setData(data);
    });
    destroyed.onDestroy(() => {
      observer?.disconnect();
      this.plot?.destroy();
    });
  }

  protected latest(line: Line): string {
    const value = line.values.findLast((value) => value !== null);
    if (value === undefined || value === null) return '–';
    return `${value.toLocaleString('en', { maximumFractionDigits: 3 })}${this.unit() ? ` ${this.unit()}` : ''}`;
  }
}
