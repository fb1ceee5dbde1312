/** A stretch of a text, in UTF-16 units. */
export interface Span {
  start: number;
  end: number;
}

/** A node of a rule's syntax tree, ready to be shown. */
export interface TreeNode {
  /** What it is to the node above, e.g. `pattern` or `modifiers 2`. */
  name: string;
  /** Its type, if it is a node of the tree and no plain value. */
  type: string;
  /** Its value as text; undefined if it has none but only nodes below. */
  value: string | undefined;
  /** Where it stands in the rule, if that is known. */
  span: Span | undefined;
  children: TreeNode[];
}

/** Members that are copied from the rule, so that they can be found in it. All others follow from them. */
const WRITTEN = ['value', 'name', 'operator'];
/** Members that tell nothing new: the type is shown with the node, and `raws` is the rule itself. */
const HIDDEN = ['type', 'raws'];

/**
 * Makes a tree to be shown from the service's syntax tree of `rule`.
 *
 * The service's tree has no positions. Texts in it stand in the rule one after the other, so each is looked for behind
 * the last one. What was not written (the address of a lone domain, say) is not found and has no position.
 */
export function treeOf(ast: unknown, rule: string): TreeNode {
  const root = new Reader(rule).read('rule', ast, 0);
  return { ...root, span: { start: 0, end: rule.length } };
}

class Reader {
  private readonly taken: Span[] = [];
  private at = 0;

  constructor(private readonly rule: string) {}

  /** `from` is where the node above begins at the earliest. */
  read(name: string, json: unknown, from: number): TreeNode {
    if (typeof json !== 'object' || json === null) {
      return { name, type: '', value: String(json), span: undefined, children: [] };
    }
    const begin = Math.max(from, this.at);
    if (Array.isArray(json)) {
      const children = json.map((item: unknown, n) => this.read(String(n + 1), item, begin));
      return { name, type: '', value: json.length === 0 ? 'none' : undefined, span: around(children), children };
    }
    const members = Object.entries(json).filter(([key]) => !HIDDEN.includes(key));
    const type = typeIn(json);
    const spans: (Span | undefined)[] = [];
    const children: TreeNode[] = [];
    let value: string | undefined;
    for (const [key, member] of this.inOrder(members)) {
      if (type && typeof member === 'string' && WRITTEN.includes(key)) {
        value = member;
        spans.push(this.find(member, begin));
      } else if (key === 'children' && Array.isArray(member)) {
        children.push(...member.map((item: unknown, n) => this.read(String(n + 1), item, begin)));
      } else {
        children.push(this.read(key, member, begin));
      }
    }
    return { name, type, value, span: union([...spans, around(children)]), children };
  }

  /** In the order of the text. Modifiers come first in the tree, but uBlock Origin's are written behind the mark. */
  private inOrder(members: [string, unknown][]): [string, unknown][] {
    const order = ['domains', 'separator', 'modifiers', 'body'];
    const names = members.map(([key]) => key);
    if (!order.every((key) => names.includes(key)) || this.rule.startsWith('[$')) return members;
    return members.toSorted(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  }

  private find(text: string, begin: number): Span | undefined {
    if (text === '') return undefined;
    const span = this.findFrom(text, this.at) ?? this.findFrom(text, begin) ?? this.findFrom(text, 0);
    if (!span) return undefined;
    this.taken.push(span);
    this.at = span.end;
    return span;
  }

  private findFrom(text: string, from: number): Span | undefined {
    for (let start = this.rule.indexOf(text, from); start >= 0; start = this.rule.indexOf(text, start + 1)) {
      const end = start + text.length;
      if (this.taken.every((other) => end <= other.start || start >= other.end)) return { start, end };
    }
    return undefined;
  }
}

function typeIn(json: object): string {
  const type = (json as Record<string, unknown>)['type'];
  return typeof type === 'string' ? type : '';
}

function around(nodes: TreeNode[]): Span | undefined {
  return union(nodes.map((node) => node.span));
}

function union(spans: (Span | undefined)[]): Span | undefined {
  const known = spans.filter((span) => span !== undefined);
  if (known.length === 0) return undefined;
  return {
    start: Math.min(...known.map((span) => span.start)),
    end: Math.max(...known.map((span) => span.end)),
  };
}
