import { ChangeDetectionStrategy, Component, DestroyRef, computed, inject, signal } from '@angular/core';
import { MatButton } from '@angular/material/button';
import { MatCheckbox } from '@angular/material/checkbox';
import { MatExpansionModule } from '@angular/material/expansion';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';
import { Router, RouterLink } from '@angular/router';
import { LucidePlay, LucidePlus } from '@lucide/angular';

import { Api, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Auth } from '../../auth/auth';
import { Credentials } from '../../auth/credentials';
import { Turnstile, TurnstileWidget } from '../../auth/turnstile';
import { CodeEditor } from '../../ui/code-editor';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';
import { rememberJob } from '../jobs/known-jobs';
import { type Configuration, EXAMPLE, type Source, TRANSFORMATIONS, type Transformation, curlOf, freshName, readConfiguration, usedTexts } from './draft';
import { type SourceEvent, eventsOf } from './events';
import { CompileProgress, type SourceProgress } from './progress';
import { type Compiled, Result } from './result';
import { Saved } from './saved';
import { SourceEditor } from './source-editor';

type Patterns = 'exclusions' | 'inclusions';

/** Compiles a list and shows what happens meanwhile. The form and the JSON beside it are two views of one thing. */
@Component({
  selector: 'app-compiler',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    CodeEditor,
    CompileProgress,
    LucidePlay,
    LucidePlus,
    MatButton,
    MatCheckbox,
    MatExpansionModule,
    MatFormFieldModule,
    MatInputModule,
    Page,
    Problem,
    Result,
    RouterLink,
    Saved,
    SourceEditor,
    TurnstileWidget,
  ],
  templateUrl: './compiler.html',
  styleUrl: './compiler.scss',
})
export class Compiler {
  private readonly api = inject(Api);
  private readonly credentials = inject(Credentials);
  private readonly router = inject(Router);
  private readonly turnstile = inject(Turnstile);
  protected readonly auth = inject(Auth);

  protected readonly transformations = TRANSFORMATIONS;
  protected readonly configuration = signal<Configuration>(EXAMPLE.configuration);
  protected readonly texts = signal<Record<string, string>>(EXAMPLE.texts);
  /** As it stands in the editor: while it is no configuration, the form keeps the last one. */
  protected readonly json = signal(written(EXAMPLE.configuration));
  protected readonly fault = signal('');

  protected readonly sources = signal<SourceProgress[]>([]);
  protected readonly message = signal('');
  protected readonly share = computed(() => {
    const sources = this.sources();
    return sources.filter(({ state }) => state === 'loaded').length / Math.max(1, sources.length);
  });
  protected readonly isRunning = signal(false);
  protected readonly isQueueing = signal(false);
  protected readonly problem = signal<ApiProblem | undefined>(undefined);
  protected readonly result = signal<Compiled | undefined>(undefined);
  private running?: AbortController;

  constructor() {
    inject(DestroyRef).onDestroy(() => this.running?.abort());
  }

  protected isChosen(name: Transformation): boolean {
    return this.configuration().transformations?.includes(name) ?? false;
  }

  protected toggle(name: Transformation, isWanted: boolean): void {
    const chosen = TRANSFORMATIONS.map((one) => one.name).filter((one) => (one === name ? isWanted : this.isChosen(one)));
    this.change({ transformations: chosen });
  }

  protected change(changes: Partial<Configuration>): void {
    this.take({ ...this.configuration(), ...changes });
  }

  protected take(configuration: Configuration): void {
    this.configuration.set(configuration);
    this.json.set(written(configuration));
    this.fault.set('');
  }

  protected edit(json: string): void {
    this.json.set(json);
    const read = readConfiguration(json);
    this.fault.set(typeof read === 'string' ? read : '');
    if (typeof read !== 'string') this.configuration.set(read);
  }

  protected changeSource(index: number, source: Source): void {
    this.change({ sources: this.configuration().sources.map((other, n) => (n === index ? source : other)) });
  }

  protected removeSource(index: number): void {
    this.change({ sources: this.configuration().sources.filter((_, n) => n !== index) });
  }

  protected addAddress(): void {
    this.change({ sources: [...this.configuration().sources, { source: '' }] });
  }

  protected addText(): void {
    const source = freshName(this.texts());
    this.setText(source, '');
    this.change({ sources: [...this.configuration().sources, { source }] });
  }

  protected setText(source: string, text: string | undefined): void {
    this.texts.update((texts) => ({ ...texts, [source]: text ?? '' }));
  }

  protected patterns(which: Patterns): string {
    return this.configuration()[which]?.join('\n') ?? '';
  }

  protected setPatterns(which: Patterns, text: string): void {
    const patterns = text.split('\n').filter((line) => line.trim() !== '');
    this.change({ [which]: patterns.length > 0 ? patterns : undefined });
  }

  protected valueOf(event: Event): string {
    return (event.target as HTMLInputElement | HTMLTextAreaElement).value;
  }

  protected async compile(): Promise<void> {
    const draft = { configuration: this.configuration(), texts: this.texts() };
    const running = new AbortController();
    this.running = running;
    this.isRunning.set(true);
    this.problem.set(undefined);
    this.message.set('Asking for it …');
    this.sources.set(draft.configuration.sources.map(({ source }) => ({ source, state: 'waiting' })));
    try {
      const response = await this.send(draft, running.signal);
      for await (const event of eventsOf(response)) {
        switch (event.name) {
          case 'source:start':
            this.saw(event.data, 'loading');
            break;
          case 'source:complete':
            this.saw(event.data, 'loaded');
            break;
          case 'source:error':
            this.saw(event.data, 'failed');
            break;
          case 'progress':
            this.message.set(event.data.message);
            break;
          case 'result':
            this.show(event.data, draft);
            break;
          case 'error':
            throw new ApiProblem(0, event.data.error);
        }
      }
    } catch (error) {
      // Whoever stopped it knows why it ended.
      if (!running.signal.aborted) this.problem.set(ApiProblem.of(error));
    } finally {
      this.isRunning.set(false);
    }
  }

  protected stop(): void {
    this.running?.abort();
  }

  /** Has it compiled while the user is away. */
  protected async queue(): Promise<void> {
    this.isQueueing.set(true);
    this.problem.set(undefined);
    const [configuration, texts] = [this.configuration(), this.texts()];
    try {
      const turnstileToken = await this.turnstile.token();
      const body = { configuration, preFetchedContent: usedTexts({ configuration, texts }), turnstileToken };
      const { requestId } = await ok(this.api.POST('/api/compile/async', { body }));
      rememberJob({ requestId, name: configuration.name, at: Date.now() });
      await this.router.navigate(['/jobs']);
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    } finally {
      this.isQueueing.set(false);
    }
  }

  /** The typed client reads whole answers; this one comes bit by bit. */
  private async send(draft: { configuration: Configuration; texts: Record<string, string> }, signal: AbortSignal): Promise<Response> {
    const turnstileToken = await this.turnstile.token();
    const { configuration } = draft;
    const body = { configuration, preFetchedContent: usedTexts(draft), report: true, benchmark: true, turnstileToken };
    const headers = { 'Content-Type': 'application/json' };
    const request = new Request('/api/compile/stream', { method: 'POST', headers, body: JSON.stringify(body), signal });
    const response = await this.credentials.send(request);
    if (!response.ok) {
      const said: unknown = await response.json().catch(() => undefined);
      throw ApiProblem.fromAnswer(response, said);
    }
    return response;
  }

  private saw({ sourceIndex, ruleCount, durationMs, error }: SourceEvent, state: SourceProgress['state']): void {
    this.sources.update((sources) =>
      sources.map((source, n) => (n === sourceIndex ? { ...source, state, nRules: ruleCount, ms: durationMs, error } : source)),
    );
  }

  private show(
    { rules, ruleCount, report, metrics, previousVersion }: Omit<Compiled, 'name' | 'curl'> & { previousVersion?: { rules: string[] } },
    draft: { configuration: Configuration; texts: Record<string, string> },
  ): void {
    const { name } = draft.configuration;
    const last = this.result();
    // What this page saw last; of a list that others compiled, what the service had before.
    const before = last?.name === name ? last.rules : previousVersion?.rules;
    const curl = curlOf(draft, location.origin, this.auth.user() !== null);
    this.result.set({ name, rules, ruleCount, report, metrics, before, curl });
    this.message.set(`${ruleCount.toLocaleString('en')} lines compiled.`);
  }
}

function written(configuration: Configuration): string {
  return JSON.stringify(configuration, null, 2);
}
