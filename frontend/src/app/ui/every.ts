import { DestroyRef, PLATFORM_ID, inject } from '@angular/core';
import { isPlatformBrowser } from '@angular/common';

/**
 * Does `work` at once and then every `milliseconds`, as long as the caller lives and the page is seen. The next turn
 * begins after the last one ended. Call it where `inject` may be called.
 */
export function every(milliseconds: number, work: () => Promise<void>): void {
  if (!isPlatformBrowser(inject(PLATFORM_ID))) return;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  let isBusy = false;
  const turn = async () => {
    clearTimeout(timer);
    if (isOver || isBusy || document.hidden) return;
    isBusy = true;
    try {
      await work();
    } finally {
      isBusy = false;
      if (!isOver) timer = setTimeout(turn, milliseconds);
    }
  };
  const onVisible = () => void turn();
  document.addEventListener('visibilitychange', onVisible);
  inject(DestroyRef).onDestroy(() => {
    isOver = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', onVisible);
  });
  void turn();
}
