import { ApiProblem } from '../../api/problem';
import type { Schema } from '../../api/api';

/** What the service tells while it compiles. */
export type CompileEvent =
  | { name: 'source:start' | 'source:complete' | 'source:error'; data: SourceEvent }
  | { name: 'progress'; data: { phase: string; current: number; total: number; message: string } }
  | { name: 'result'; data: Omit<Schema<'CompileResult'>, 'success' | 'compiledAt'> }
  | { name: 'error'; data: { error: string } }
  | { name: 'done' | 'transformation:start' | 'transformation:complete' | 'compilation:complete'; data: unknown };

export interface SourceEvent {
  source: string;
  sourceIndex: number;
  ruleCount?: number;
  durationMs?: number;
  error?: string;
}

/**
 * The server-sent events of an answer, one after another. `EventSource` can't be used: it sends no body.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export async function* eventsOf(response: Response): AsyncGenerator<CompileEvent> {
  if (!response.body) throw new ApiProblem(0, 'The answer has no body.');
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  // Not one text that grows: a list of many megabytes would be searched from its beginning with every piece.
  let frame: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      let text = value;
      if (text.startsWith('\n') && frame.at(-1)?.endsWith('\n')) {
        yield eventOf(frame.join(''));
        frame = [];
        text = text.slice(1);
      }
      const parts = text.split('\n\n');
      const rest = parts.pop();
      for (const part of parts) {
        yield eventOf([...frame, part].join(''));
        frame = [];
      }
      if (rest) frame.push(rest);
    }
  } finally {
    await reader.cancel();
  }
  if (frame.length > 0) throw new ApiProblem(0, 'The answer was cut off. Try again.');
}

function eventOf(frame: string): CompileEvent {
  const line = (name: string) => frame.split('\n').find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
  return { name: line('event'), data: JSON.parse(line('data') ?? 'null') as unknown } as CompileEvent;
}
