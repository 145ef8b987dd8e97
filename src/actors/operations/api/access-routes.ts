import { z } from 'zod';
import { refuse } from '../../../errors.ts';
import { permissions } from '../../../protocols/access/permission.ts';
import { unauthenticatedText } from './authentication.ts';
import { type ApiRoute, route } from './route.ts';

const accessView = z.object({
  identity: z.string(),
  expiresAt: z.string().exactOptional(),
  roles: z.array(z.object({ role: z.string(), resources: z.array(z.string()) })),
  permissions: z.array(z.enum(permissions)),
});

/** What whoever asks may do: the one thing that every key may ask. */
export const accessRoutes: readonly ApiRoute[] = [
  route({
    method: 'GET',
    url: '/api/v1/auth/whoami',
    access: 'authenticated',
    needs: 'nothing',
    response: accessView,
    handle: ({ permit }) => {
      const view = permit?.view() ?? refuse('UNAUTHENTICATED', unauthenticatedText);
      if (!view.ok) return view;
      const { roles, permissions: held, ...rest } = view.value;
      const listed = roles.map(({ role, resources }) => ({ role, resources: [...resources] }));
      return { ok: true, value: { ...rest, roles: listed, permissions: [...held] } };
    },
  }),
];
