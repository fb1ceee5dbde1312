import type { Routes } from '@angular/router';

import { admin, signedIn } from './auth/guards';
import { Home } from './pages/home/home';

/** Paths of pages may be paths of the API, too: a browser that navigates gets the page. */
export const routes: Routes = [
  { path: '', component: Home },
  { path: 'sign-in', title: 'Sign in', loadComponent: () => import('./pages/sign-in/sign-in').then((m) => m.SignIn) },
  { path: 'sign-up', title: 'Sign up', loadComponent: () => import('./pages/sign-up/sign-up').then((m) => m.SignUp) },
  {
    path: 'forgot-password',
    title: 'Forgot password',
    loadComponent: () => import('./pages/forgot-password/forgot-password').then((m) => m.ForgotPassword),
  },
  {
    path: 'reset-password',
    title: 'Choose a new password',
    loadComponent: () => import('./pages/reset-password/reset-password').then((m) => m.ResetPassword),
  },
  {
    path: 'compiler',
    title: 'Compiler',
    loadComponent: () => import('./pages/compiler/compiler').then((m) => m.Compiler),
  },
  {
    path: 'validation',
    title: 'Validation',
    loadComponent: () => import('./pages/validation/validation').then((m) => m.Validation),
  },
  {
    path: 'ast-viewer',
    title: 'Syntax trees',
    loadComponent: () => import('./pages/ast-viewer/ast-viewer').then((m) => m.AstViewer),
  },
  { path: 'api-docs', title: 'API', loadComponent: () => import('./pages/api-docs/api-docs').then((m) => m.ApiDocs) },
  { path: 'limits', title: 'My limits', loadComponent: () => import('./pages/limits/limits').then((m) => m.Limits) },
  {
    path: '',
    canActivate: [signedIn],
    children: [
      {
        path: 'api-keys',
        title: 'API keys',
        loadComponent: () => import('./pages/api-keys/api-keys').then((m) => m.ApiKeys),
      },
      { path: 'jobs', title: 'Jobs', loadComponent: () => import('./pages/jobs/jobs').then((m) => m.Jobs) },
      {
        path: 'rule-sets',
        title: 'Rule sets',
        loadComponent: () => import('./pages/rule-sets/rule-sets').then((m) => m.RuleSets),
      },
      {
        path: 'profile',
        title: 'Account',
        loadComponent: () => import('./pages/profile/profile').then((m) => m.Profile),
      },
    ],
  },
  {
    path: 'admin',
    canActivate: [admin],
    children: [
      {
        path: '',
        title: 'Overview',
        loadComponent: () => import('./pages/admin/overview/overview').then((m) => m.AdminOverview),
      },
      {
        path: 'limits',
        title: 'Live counters',
        loadComponent: () => import('./pages/admin/live/live').then((m) => m.AdminLive),
      },
      {
        path: 'limits/:identity',
        title: 'Identity',
        loadComponent: () => import('./pages/admin/identity/identity').then((m) => m.AdminIdentity),
      },
      {
        path: 'audit',
        title: 'Audit',
        loadComponent: () => import('./pages/admin/audit/audit').then((m) => m.AdminAudit),
      },
      {
        path: 'users',
        title: 'Users',
        loadComponent: () => import('./pages/admin/users/users').then((m) => m.AdminUsers),
      },
      {
        path: 'storage',
        title: 'Storage',
        loadComponent: () => import('./pages/admin/storage/storage').then((m) => m.AdminStorage),
      },
      {
        path: 'policies',
        title: 'Policies',
        loadComponent: () => import('./pages/admin/policies/policies').then((m) => m.AdminPolicies),
      },
    ],
  },
  {
    path: '**',
    title: 'Not found',
    loadComponent: () => import('./pages/not-found/not-found').then((m) => m.NotFound),
  },
];
