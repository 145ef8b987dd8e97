import { type Client, createClient } from '../client.ts';
import { nearest } from '../config/nearest.ts';
import { CaxtonError } from '../errors.ts';
import { type Invocation, UsageError } from './command.ts';
import { loadProfile, type Profile, type ProfileNode } from './profile.ts';

/** A node that answered, and how to talk to it. */
export interface ConnectedNode {
  readonly node: ProfileNode;
  readonly client: Client;
}

/** How long a node may take to say that it lives before the next one is tried. */
const answerMsMax = 3_000;

/** The profile that an invocation means. */
export const profileOf = ({ text, terminal }: Invocation): Promise<Profile> =>
  loadProfile({ flag: text('profile'), env: terminal.env, cwd: terminal.cwd });

/**
 * Tries the profile’s nodes in order, or the one that `--node` names, and gives `act` the first that answers.
 *
 * Whether a node answers is asked before the request itself, over the same connection: a request that was sent is
 * never sent to a second node, since the first may have acted on it. UNREACHABLE when none answers.
 */
export async function withNode<T>(invocation: Invocation, act: (connected: ConnectedNode) => Promise<T>): Promise<T> {
  const profile = await profileOf(invocation);
  const failures: (readonly [id: string, error: CaxtonError])[] = [];
  for (const node of chosen(profile, invocation.text('node'))) {
    const client = createClient({ address: node.api, caPem: profile.caPem, apiKey: profile.apiKey });
    try {
      await client.live({ timeoutMs: answerMsMax });
    } catch (error) {
      client.close();
      if (!(error instanceof CaxtonError)) throw error;
      failures.push([node.id, error]);
      continue;
    }
    try {
      return await act({ node, client });
    } finally {
      client.close();
    }
  }
  throw noneAnswers(profile, failures);
}

/** With the code that all failures share, so that a refused certificate is not called a node that is down. */
function noneAnswers(profile: Profile, failures: readonly (readonly [id: string, error: CaxtonError])[]): CaxtonError {
  const reasons = failures.map(([id, error]) => `${id}: ${error.message}`);
  const codes = new Set(failures.map(([, { code }]) => code));
  const [code = 'UNREACHABLE', ...others] = codes;
  const profileText = `The addresses, the CA and the API key are those of ${profile.path}.`;
  if (others.length === 0 && (code === 'CERTIFICATE_REFUSED' || code === 'PROTOCOL_VIOLATION'))
    return new CaxtonError(code, [...reasons, `${profileText} Is it the profile of this cluster?`]);
  return new CaxtonError('UNREACHABLE', [
    failures.length === 1 ? 'The node does not answer.' : `None of the ${failures.length} nodes answers.`,
    ...reasons,
    `${profileText} Start nodes with \`caxton dev start\` or \`caxton server start\`, or name another profile with --profile.`,
  ]);
}

function chosen(profile: Profile, id: string | undefined): readonly ProfileNode[] {
  if (id === undefined) return profile.nodes;
  const found = profile.nodes.filter((node) => node.id === id);
  if (found.length > 0) return found;
  const ids = profile.nodes.map((node) => node.id);
  const near = nearest(id, ids);
  throw new UsageError(
    `The profile ${profile.path} has no node “${id}”. ${near ? `Did you mean ${near}?` : `It has ${ids.join(', ')}.`}`,
  );
}
