import { inject } from '@angular/core';
import { type CanActivateFn, Router } from '@angular/router';

import { Auth } from './auth';

/** Lets in who signed in; others sign in first and come back. */
export const signedIn: CanActivateFn = async (_route, state) => {
  const [auth, router] = [inject(Auth), inject(Router)];
  await auth.ready;
  return auth.user() ? true : router.createUrlTree(['/sign-in'], { queryParams: { next: state.url } });
};

/** Lets in admins. */
export const admin: CanActivateFn = async (_route, state) => {
  const [auth, router] = [inject(Auth), inject(Router)];
  await auth.ready;
  if (!auth.user()) return router.createUrlTree(['/sign-in'], { queryParams: { next: state.url } });
  return auth.isAdmin() ? true : router.createUrlTree(['/not-for-you']);
};
