import type { Schema } from '../../../api/api';

/** The tiers and roles that a user can have. */
export const TIERS = ['free', 'pro', 'admin'];
export const ROLES = ['user', 'admin'];

/** How a user is called: by address, else by name, else by id. */
export function nameOf(user: Schema<'AdminUser'>): string {
  return user.email || user.name || user.id;
}
