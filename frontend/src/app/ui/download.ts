/** Hands a text to the browser as a file. */
export function download(name: string, text: string | Blob, type = 'text/plain'): void {
  const url = URL.createObjectURL(text instanceof Blob ? text : new Blob([text], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
