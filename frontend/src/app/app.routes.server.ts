import { RenderMode, type ServerRoute } from '@angular/ssr';

/** Pages that look the same to everybody are made once, at build time. */
export const serverRoutes: ServerRoute[] = [
  { path: '', renderMode: RenderMode.Prerender },
  { path: 'sign-in', renderMode: RenderMode.Prerender },
  { path: 'sign-up', renderMode: RenderMode.Prerender },
  { path: 'forgot-password', renderMode: RenderMode.Prerender },
  { path: '**', renderMode: RenderMode.Client },
];
