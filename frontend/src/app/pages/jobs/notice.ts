/** Where a job is. */
export type JobStatus = 'queued' | 'running' | 'completed' | 'failed' | 'cancelled';

/** What the service tells whoever watches a job. */
export type Notice =
  | { type: 'snapshot'; seq: number; status: JobStatus; last?: EventNotice }
  | EventNotice
  | { type: 'status'; seq: number; status: JobStatus; error?: string; ruleCount?: number };

export interface EventNotice {
  type: 'event';
  seq: number;
  eventType: string;
  data: Record<string, unknown>;
}

/** How far a job is, in words, and how much of the present phase is done, from 0 to 1, if that is known. */
export interface Step {
  text: string;
  share?: number;
}

export function hasEnded(status: JobStatus): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled';
}

/** What an event says about how far the job is; undefined if it says nothing about that. */
export function stepOf({ eventType, data }: EventNotice): Step | undefined {
  const text = (name: string) => String(data[name] ?? '');
  const count = (name: string) => Number(data[name] ?? 0).toLocaleString('en');
  switch (eventType) {
    case 'source:start':
      return { text: `Loading ${text('source')}` };
    case 'source:complete':
      return { text: `Loaded ${text('source')}: ${count('ruleCount')} rules` };
    case 'source:error':
      return { text: `${text('source')} can’t be loaded: ${text('error')}` };
    case 'transformation:start':
      return { text: `${text('name')}: ${count('inputCount')} lines` };
    case 'transformation:complete':
      return { text: `${text('name')}: ${count('inputCount')} lines in, ${count('outputCount')} out` };
    case 'progress': {
      const [current, total] = [Number(data['current']), Number(data['total'])];
      return { text: text('message'), share: total > 0 ? current / total : undefined };
    }
    case 'compilation:complete':
      return { text: `Compiled: ${count('ruleCount')} rules` };
    case 'part':
      return { text: `${text('name')}: ${text('status')}` };
    default:
      return undefined;
  }
}
