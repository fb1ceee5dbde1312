import uPlot from 'uplot';

import type { Line } from './chart';

/** The canvas knows no CSS variables, so colours are asked of the page each time something is drawn. */
function colourOf(place: HTMLElement, colour: string): string {
  const name = /^var\((--[\w-]+)\)$/.exec(colour)?.[1];
  if (!name) return colour;
  // `light-dark()` is only resolved where it is used.
  const probe = document.createElement('span');
  probe.style.color = colour;
  place.append(probe);
  const resolved = getComputedStyle(probe).color;
  probe.remove();
  return resolved;
}

export function makeChart(place: HTMLElement, lines: Line[], height: number, data: uPlot.AlignedData): uPlot {
  const axis: uPlot.Axis = {
    stroke: () => colourOf(place, 'var(--mat-sys-on-surface-variant)'),
    grid: { stroke: () => colourOf(place, 'var(--mat-sys-outline-variant)'), width: 1 },
    ticks: { show: false },
    font: '11px system-ui, sans-serif',
  };
  const options: uPlot.Options = {
    width: place.clientWidth,
    height,
    legend: { show: false },
    cursor: { drag: { x: false, y: false } },
    scales: {
      // At least a minute: a single instant has no length.
      x: {
        range: ({ data: [times] }) => {
          const last = times.at(-1) ?? 0;
          return [Math.min(times[0] ?? 0, last - 60), last];
        },
      },
      y: { range: (_, low, high) => [Math.min(0, low), high <= 0 ? 1 : high * 1.1] },
    },
    axes: [axis, { ...axis, size: 48 }],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.label,
        stroke: () => colourOf(place, line.colour),
        width: 2,
        points: { show: false },
      })),
    ],
  };
  return new uPlot(options, data, place);
}
