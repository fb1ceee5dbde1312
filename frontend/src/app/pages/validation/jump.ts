/** Puts the cursor of the code editor in `place` on a line, counted from 1, and shows it. */
export async function jumpToLine(place: HTMLElement, line: number): Promise<void> {
  const { EditorView } = await import('@codemirror/view');
  const editor = EditorView.findFromDOM(place);
  if (!editor) return;
  const { from, to } = editor.state.doc.line(Math.min(line, editor.state.doc.lines));
  editor.dispatch({
    selection: { anchor: from, head: to },
    effects: EditorView.scrollIntoView(from, { y: 'center' }),
  });
  editor.focus();
}
