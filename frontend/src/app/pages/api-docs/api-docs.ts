import { ChangeDetectionStrategy, Component, computed, inject, signal } from '@angular/core';
import { MatExpansionModule } from '@angular/material/expansion';
import { MatFormFieldModule } from '@angular/material/form-field';
import { MatInputModule } from '@angular/material/input';

import { Api, ok } from '../../api/api';
import { ApiProblem } from '../../api/problem';
import { Page } from '../../ui/page';
import { Problem } from '../../ui/problem';
import { Skeleton } from '../../ui/skeleton';

interface Parameter {
  name: string;
  in: string;
  required?: boolean;
}

/** As much of an operation as is shown. */
interface Operation {
  method: string;
  path: string;
  tag: string;
  summary: string;
  parameters: Parameter[];
  body: string;
  answers: { status: string; says: string; shape: string }[];
  isPublic: boolean;
}

type Json = Record<string, unknown>;

/** What can be asked of the service, from its own document. */
@Component({
  selector: 'app-api-docs',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [MatExpansionModule, MatFormFieldModule, MatInputModule, Page, Problem, Skeleton],
  templateUrl: './api-docs.html',
  styleUrl: './api-docs.scss',
})
export class ApiDocs {
  private readonly api = inject(Api);
  protected readonly operations = signal<Operation[] | undefined>(undefined);
  protected readonly problem = signal<ApiProblem | null>(null);
  protected readonly wanted = signal('');
  protected readonly groups = computed(() => {
    const wanted = this.wanted().trim().toLowerCase();
    const matching = (this.operations() ?? []).filter(({ path, summary, method }) =>
      `${method} ${path} ${summary}`.toLowerCase().includes(wanted),
    );
    const tags = [...new Set(matching.map((operation) => operation.tag))];
    return tags.map((tag) => ({ tag, operations: matching.filter((operation) => operation.tag === tag) }));
  });

  constructor() {
    void this.load();
  }

  protected async load(): Promise<void> {
    this.problem.set(null);
    try {
      const document = await ok(this.api.GET('/api/openapi.json'));
      this.operations.set(operationsOf(document as Json));
    } catch (error) {
      this.problem.set(ApiProblem.of(error));
    }
  }

  protected typed(event: Event): void {
    this.wanted.set((event.target as HTMLInputElement).value);
  }
}

function operationsOf(document: Json): Operation[] {
  const shared = ((document['components'] as Json)['responses'] ?? {}) as Record<string, Json>;
  const operations: Operation[] = [];
  for (const [path, methods] of Object.entries(document['paths'] as Record<string, Record<string, Json>>)) {
    for (const [method, operation] of Object.entries(methods)) {
      const security = operation['security'] as Json[] | undefined;
      operations.push({
        method: method.toUpperCase(),
        path,
        tag: String((operation['tags'] as string[])[0]),
        summary: String(operation['summary']),
        parameters: (operation['parameters'] ?? []) as Parameter[],
        body: shapeOf(operation['requestBody'] as Json | undefined),
        answers: Object.entries(operation['responses'] as Record<string, Json>).map(([status, answer]) => {
          const name = String(answer['$ref'] ?? '').split('/').pop() ?? '';
          const whole = shared[name] ?? answer;
          return { status, says: String(whole['description']), shape: shapeOf(whole) };
        }),
        isPublic: security?.some((way) => Object.keys(way).length === 0) ?? true,
      });
    }
  }
  return operations;
}

/** The name of a shape, or its members in short. */
function shapeOf(holder: Json | undefined): string {
  const [media] = Object.entries((holder?.['content'] ?? {}) as Record<string, Json>);
  return media ? `${media[0]}: ${described((media[1]['schema'] ?? {}) as Json)}` : '';
}

function described(schema: Json): string {
  const name = schema['$ref'];
  if (typeof name === 'string') return name.split('/').pop() ?? '';
  if (schema['type'] === 'array') return `list of ${described((schema['items'] ?? {}) as Json)}`;
  const members = Object.keys((schema['properties'] ?? {}) as Json);
  if (members.length === 0) return Array.isArray(schema['type']) ? schema['type'].join(' or ') : String(schema['type'] ?? 'anything');
  const required = (schema['required'] ?? []) as string[];
  return `{ ${members.map((member) => (required.includes(member) ? member : `${member}?`)).join(', ')} }`;
}
