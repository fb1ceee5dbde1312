import type { Schema } from '../../api/api';

export type KeyState = 'active' | 'revoked' | 'expired';

export function keyStateOf({ revokedAt, expiresAt }: Schema<'ApiKey'>, now: number): KeyState {
  if (revokedAt) return 'revoked';
  return expiresAt && Date.parse(expiresAt) <= now ? 'expired' : 'active';
}
