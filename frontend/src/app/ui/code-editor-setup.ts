import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { json, jsonParseLinter } from '@codemirror/lang-json';
import { HighlightStyle, bracketMatching, syntaxHighlighting } from '@codemirror/language';
import { linter } from '@codemirror/lint';
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search';
import { EditorState, type Extension } from '@codemirror/state';
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from '@codemirror/view';
import { tags } from '@lezer/highlight';

export interface Wanted {
  text: string;
  language: 'json' | 'text';
  label: string;
  readonly: boolean;
  onChange: (text: string) => void;
}

const theme = EditorView.theme({
  '&': { height: '100%', fontSize: '0.85rem', backgroundColor: 'transparent', color: 'var(--mat-sys-on-surface)' },
  '.cm-scroller': { fontFamily: 'var(--code-font)' },
  '.cm-content': { caretColor: 'var(--mat-sys-on-surface)' },
  '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--mat-sys-on-surface-variant)', border: 'none' },
  '.cm-activeLine': { backgroundColor: 'color-mix(in srgb, var(--mat-sys-primary) 8%, transparent)' },
  '.cm-cursor': { borderLeftColor: 'var(--mat-sys-on-surface)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-panels, .cm-tooltip': {
    backgroundColor: 'var(--mat-sys-surface-container-high)',
    color: 'var(--mat-sys-on-surface)',
  },
});

const colours = HighlightStyle.define([
  { tag: tags.propertyName, color: 'var(--mat-sys-primary)' },
  { tag: tags.string, color: 'var(--good)' },
  { tag: [tags.number, tags.bool, tags.null], color: 'var(--warn)' },
]);

/** Tab leaves the editor, as it does everywhere else on a page. */
export function makeEditor(parent: HTMLElement, wanted: Wanted): EditorView {
  const ofLanguage: Extension = wanted.language === 'json' ? [json(), linter(jsonParseLinter())] : [];
  const state = EditorState.create({
    doc: wanted.text,
    extensions: [
      lineNumbers(),
      history(),
      drawSelection(),
      highlightActiveLine(),
      highlightSelectionMatches(),
      bracketMatching(),
      syntaxHighlighting(colours),
      keymap.of([...defaultKeymap, ...historyKeymap, ...searchKeymap]),
      // A place in the order of the keyboard, said aloud: what scrolls must be reached by it.
      EditorView.contentAttributes.of({ 'aria-label': wanted.label, tabindex: '0' }),
      EditorView.lineWrapping,
      EditorState.readOnly.of(wanted.readonly),
      EditorView.updateListener.of((update) => {
        if (update.docChanged) wanted.onChange(update.state.doc.toString());
      }),
      theme,
      ofLanguage,
    ],
  });
  return new EditorView({ parent, state });
}
