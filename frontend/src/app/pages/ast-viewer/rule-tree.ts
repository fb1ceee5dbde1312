import {
  CdkTree,
  CdkTreeNode,
  CdkTreeNodeDef,
  CdkTreeNodePadding,
  CdkTreeNodeToggle,
} from '@angular/cdk/tree';
import {
  ChangeDetectionStrategy,
  Component,
  afterRenderEffect,
  computed,
  input,
  signal,
  viewChild,
} from '@angular/core';
import { LucideChevronDown, LucideChevronRight } from '@lucide/angular';

import { MarkedText } from './marked-text';
import { type TreeNode, treeOf } from './tree';

/** The syntax tree of a rule. The node with the focus or under the pointer is marked in the rule's text. */
@Component({
  selector: 'app-rule-tree',
  changeDetection: ChangeDetectionStrategy.OnPush,
  imports: [
    CdkTree,
    CdkTreeNode,
    CdkTreeNodeDef,
    CdkTreeNodePadding,
    CdkTreeNodeToggle,
    LucideChevronDown,
    LucideChevronRight,
    MarkedText,
  ],
  templateUrl: './rule-tree.html',
  styleUrl: './rule-tree.scss',
})
export class RuleTree {
  readonly rule = input.required<string>();
  readonly ast = input.required<unknown>();

  private readonly tree = viewChild<CdkTree<TreeNode>>(CdkTree);
  /** One item: another tree gets another component, because the CDK's keeps nodes that it has shown. */
  protected readonly roots = computed(() => [treeOf(this.ast(), this.rule())]);
  private readonly focused = signal<TreeNode | undefined>(undefined);
  private readonly hovered = signal<TreeNode | undefined>(undefined);
  protected readonly active = computed(() => this.hovered() ?? this.focused());
  protected readonly childrenOf = (node: TreeNode) => node.children;

  constructor() {
    afterRenderEffect(() => this.tree()?.expandAll());
  }

  protected focus(node: TreeNode | undefined): void {
    this.focused.set(node);
  }

  protected hover(node: TreeNode | undefined): void {
    this.hovered.set(node);
  }
}
