/** A job that was accepted in this tab. */
export interface KnownJob {
  requestId: string;
  name: string;
  /** When it was accepted, in milliseconds since 1970. */
  at: number;
}

const KEY = 'jobs';
const MOST = 50;

/** Jobs that were accepted in this tab, the newest first. The service lists jobs only once they have ended. */
export function knownJobs(): KnownJob[] {
  try {
    const stored: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '[]');
    return Array.isArray(stored) ? stored.filter(isKnownJob) : [];
  } catch (error) {
    // Storage may be switched off, and others may have written there: then no job is known.
    if (error instanceof SyntaxError || error instanceof DOMException) return [];
    throw error;
  }
}

/** Remembers a job that was just accepted. */
export function rememberJob(job: KnownJob): void {
  save([job, ...knownJobs().filter(({ requestId }) => requestId !== job.requestId)].slice(0, MOST));
}

/** Forgets jobs that are over. */
export function forgetJobs(requestIds: ReadonlySet<string>): void {
  save(knownJobs().filter(({ requestId }) => !requestIds.has(requestId)));
}

function save(jobs: KnownJob[]): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(jobs));
  } catch (error) {
    // Without storage the job goes on all the same; it is listed once it has ended.
    if (!(error instanceof DOMException)) throw error;
  }
}

function isKnownJob(value: unknown): value is KnownJob {
  if (typeof value !== 'object' || value === null) return false;
  const { requestId, name, at } = value as Partial<Record<keyof KnownJob, unknown>>;
  return typeof requestId === 'string' && typeof name === 'string' && typeof at === 'number';
}
