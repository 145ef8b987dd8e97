import { z } from 'zod';
import { limits } from '../limits.ts';
import { isName } from '../names.ts';
import { type HostPort, parseHostPort } from './quantity.ts';
import { listOf, path, text, wholeNumber } from './values.ts';

/** Where the audit log is forwarded to: `security.audit.siem` of node.yaml. */
const name = z
  .string({ error: 'expected a name' })
  .refine(isName, 'expected a name: a-z, 0-9, “_” and “-”, at most 63 characters');

const address = z
  .string({ error: 'expected host:port, such as siem.example.org:6514' })
  .transform((text, context): HostPort => {
    const value = parseHostPort(text);
    if (value !== undefined) return value;
    context.addIssue({ code: 'custom', message: 'expected host:port, such as siem.example.org:6514' });
    return z.NEVER;
  });

const url = z
  .string({ error: 'expected an https URL' })
  .max(2_048, 'expected at most 2048 characters')
  .refine(
    (text) => URL.canParse(text) && new URL(text).protocol === 'https:',
    'expected a URL that begins with https://',
  );

const skipped = z
  .array(z.int({ error: 'expected numbers of records' }).min(1))
  .max(limits.siemSkippedMax, `expected at most ${limits.siemSkippedMax} numbers`)
  .optional();

const shared = {
  skip_records: skipped,
  ca_cert: path.optional(),
  client_cert: path.optional(),
  client_key: path.optional(),
};

const printable = /^[\x21-\x7e]+$/;

const facility = z.enum(
  ['user', 'auth', 'authpriv', 'audit', 'local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
  { error: 'expected audit, authpriv, auth, user or local0 to local7' },
);

const syslog = z.strictObject({
  name,
  kind: z.literal('syslog'),
  address,
  server_name: text('a host name', 253).optional(),
  format: z.enum(['json', 'ocsf', 'cef'], { error: 'expected json, ocsf or cef' }).default('json'),
  facility: facility.default('audit'),
  hostname: text('a host name', 255).regex(printable, 'expected printable ASCII').optional(),
  enterprise_id: wholeNumber(1, 4_294_967_295).default(32_473),
  ...shared,
});

const hec = z.strictObject({
  name,
  kind: z.literal('hec'),
  url,
  token_path: path,
  format: z.enum(['json', 'ocsf'], { error: 'expected json or ocsf' }).default('json'),
  source_type: text('a source type', 128).default('caxton:audit'),
  index: text('the name of an index', 128).optional(),
  ...shared,
});

const otlp = z.strictObject({
  name,
  kind: z.literal('otlp'),
  url,
  token_path: path.optional(),
  format: z.enum(['json', 'ocsf'], { error: 'expected json or ocsf' }).default('json'),
  ...shared,
});

export const siemDestinations = listOf(
  z.discriminatedUnion('kind', [syslog, hec, otlp], { error: 'expected a block with kind: syslog, hec or otlp' }),
  'destinations',
  0,
  limits.siemDestinationsMax,
).default([]);

type SiemFile = z.output<typeof siemDestinations>[number];

/** One receiver of the audit log; paths absolute. */
export type SiemDestination =
  | (SiemTls & {
      readonly kind: 'syslog';
      readonly address: HostPort;
      readonly serverName: string | undefined;
      readonly format: 'json' | 'ocsf' | 'cef';
      readonly facility: z.output<typeof facility>;
      readonly hostname: string | undefined;
      readonly enterpriseId: number;
    })
  | (SiemTls & {
      readonly kind: 'hec';
      readonly url: string;
      readonly tokenPath: string;
      readonly format: 'json' | 'ocsf';
      readonly sourceType: string;
      readonly index: string | undefined;
    })
  | (SiemTls & {
      readonly kind: 'otlp';
      readonly url: string;
      readonly tokenPath: string | undefined;
      readonly format: 'json' | 'ocsf';
    });

interface SiemTls {
  readonly name: string;
  /** Numbers of records that the receiver refuses and is not to be sent. */
  readonly skipRecords: readonly number[] | undefined;
  readonly caPath: string | undefined;
  readonly certPath: string | undefined;
  readonly keyPath: string | undefined;
}

/** What the schema cannot see, a sentence for each fault. `place` names a key with its line. */
export function siemFaults(
  { forward_to_siem, siem }: { readonly forward_to_siem: boolean; readonly siem: readonly SiemFile[] },
  place: (path: string) => string,
): string[] {
  const faults: string[] = [];
  const key = 'security.audit.siem';
  if (forward_to_siem && siem.length === 0)
    faults.push(`${place('security.audit.forward_to_siem')} is true, and ${key} names no receiver.`);
  for (const [at, { name: own, client_cert, client_key }] of siem.entries()) {
    if (siem.findIndex((other) => other.name === own) !== at)
      faults.push(`${place(`${key}.${at}.name`)}: two receivers are called ${own}.`);
    if ((client_cert === undefined) !== (client_key === undefined))
      faults.push(`${place(`${key}.${at}`)}: client_cert and client_key go together.`);
  }
  return faults;
}

/** The destinations that are in use; none when nothing is forwarded. `from` makes a path absolute. */
export function siemOf(
  { forward_to_siem, siem }: { readonly forward_to_siem: boolean; readonly siem: readonly SiemFile[] },
  from: (path: string) => string,
): readonly SiemDestination[] {
  if (!forward_to_siem) return [];
  const maybe = (path: string | undefined): string | undefined => (path === undefined ? undefined : from(path));
  return siem.map((one): SiemDestination => {
    const common = {
      name: one.name,
      skipRecords: one.skip_records,
      caPath: maybe(one.ca_cert),
      certPath: maybe(one.client_cert),
      keyPath: maybe(one.client_key),
    };
    if (one.kind === 'syslog')
      return {
        ...common,
        kind: 'syslog',
        address: one.address,
        serverName: one.server_name,
        format: one.format,
        facility: one.facility,
        hostname: one.hostname,
        enterpriseId: one.enterprise_id,
      };
    const { url, format } = one;
    if (one.kind === 'otlp') return { ...common, kind: 'otlp', url, format, tokenPath: maybe(one.token_path) };
    const { source_type: sourceType, index } = one;
    return { ...common, kind: 'hec', url, format, sourceType, index, tokenPath: from(one.token_path) };
  });
}
