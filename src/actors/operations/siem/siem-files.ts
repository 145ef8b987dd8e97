import type { SiemDestination } from '../../../config/siem.ts';
import { CaxtonError } from '../../../errors.ts';
import type { SiemSecrets } from './siem-sinks.ts';

/** A file of the configuration: where it is, and the setting that says so. */
interface NamedFile {
  readonly path: string;
  readonly key: string;
}

/** How a node’s files are read: with errors that name the setting. */
export interface FileReading {
  text(file: NamedFile): Promise<string>;
  /** As `text`, of a file that must not be open to others. */
  secret(file: NamedFile): Promise<string>;
}

/** What the destinations’ files hold, in their order. Rejects as the reading does; CONFIG_INVALID for a bad token. */
export async function readSiemFiles(
  destinations: readonly SiemDestination[],
  { text, secret }: FileReading,
): Promise<readonly SiemSecrets[]> {
  const all: SiemSecrets[] = [];
  for (const [index, destination] of destinations.entries()) {
    const { caPath, certPath, keyPath } = destination;
    const key = (setting: string): string => `security.audit.siem.${index}.${setting}`;
    const tokenPath = destination.kind === 'syslog' ? undefined : destination.tokenPath;
    const own =
      certPath === undefined || keyPath === undefined
        ? undefined
        : {
            certPem: await text({ path: certPath, key: key('client_cert') }),
            keyPem: await secret({ path: keyPath, key: key('client_key') }),
          };
    const caPem = caPath === undefined ? undefined : await text({ path: caPath, key: key('ca_cert') });
    const token = tokenPath === undefined ? undefined : await secret({ path: tokenPath, key: key('token_path') });
    all.push({ tls: { caPem, own }, token: token === undefined ? undefined : tokenIn(token, key('token_path')) });
  }
  return all;
}

/** A token becomes part of a header: what could end that line is no token. */
function tokenIn(text: string, key: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]{1,4096}$/.test(token)) return token;
  throw new CaxtonError('CONFIG_INVALID', `${key}: the file should hold one token and nothing else.`);
}
