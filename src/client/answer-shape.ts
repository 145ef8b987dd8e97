/**
 * What an answer must look like to be believed: a type of JSON, a list of one shape, or named fields, of which those
 * with a `?` may be absent. Fields that it does not name are let through: a newer node may send more.
 */
export type AnswerShape =
  | 'text'
  | 'number'
  | 'flag'
  | 'object'
  | readonly [AnswerShape]
  | { readonly [name: string]: AnswerShape };

const types = { text: 'string', number: 'number', flag: 'boolean', object: 'object' } as const;

/** Where a value first differs from a shape, such as `items[2].nodeId`; undefined when it fits. */
export function misfit(value: unknown, shape: AnswerShape, path = ''): string | undefined {
  const here = path === '' ? 'the whole' : path;
  if (typeof shape === 'string') {
    const fits = typeof value === types[shape] && value !== null && !(shape === 'object' && Array.isArray(value));
    return fits ? undefined : here;
  }
  if (isList(shape)) {
    if (!Array.isArray(value)) return here;
    return firstOf(value.entries(), ([at, item]) => misfit(item, shape[0], `${path}[${at}]`));
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return here;
  const fields = value as Readonly<Record<string, unknown>>;
  return firstOf(Object.entries(shape), ([key, inner]) => {
    const name = key.replace('?', '');
    const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (field === undefined && key.endsWith('?')) return undefined;
    return misfit(field, inner, path === '' ? name : `${path}.${name}`);
  });
}

const isList = (shape: object): shape is readonly [AnswerShape] => Array.isArray(shape);

function firstOf<T>(items: Iterable<T>, find: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = find(item);
    if (found !== undefined) return found;
  }
  return undefined;
}

const agent = {
  agentId: 'text',
  node: 'text',
  kind: 'text',
  state: 'text',
  generation: 'number',
  deployer: 'text',
  'deploymentId?': 'text',
  'tokenId?': 'text',
  services: ['text'],
  'rivals?': ['text'],
  reachable: 'flag',
} as const;

const notice = {
  kind: 'text',
  generation: 'number',
  hash: 'text',
  issuedAt: 'text',
  signer: 'text',
  signerTrusted: 'flag',
  rivals: 'number',
  document: 'text',
  body: 'object',
} as const;

const gossipKey = { epoch: 'number', hash: 'text', proposer: 'text' } as const;

/** The answers of the management API, by what is asked: the views of `NodeControl`. */
export const answers = {
  live: { live: 'flag' },
  ready: { ready: 'flag', state: 'text' },
  gossipKeys: {
    stage: 'text',
    sealing: { ...gossipKey, since: 'text' },
    'candidate?': gossipKey,
    retiring: [gossipKey],
    nextAt: 'text',
    'due?': 'text',
    members: [{ nodeId: 'text', self: 'flag', 'sealing?': gossipKey, 'candidate?': gossipKey }],
  },
  joinToken: { token: 'text', id: 'text', expiresAt: 'text' },
  joinTokens: { items: [{ id: 'text', nodeId: 'text', replace: 'flag', expiresAt: 'text', 'serial?': 'text' }] },
  cancelledToken: { nodeId: 'text', 'serial?': 'text' },
  certificates: { items: [{ serial: 'text', notAfter: 'text', revoked: 'flag', certificate: 'text' }] },
  status: {
    nodeId: 'text',
    spiffeId: 'text',
    clusterId: 'text',
    version: 'text',
    pid: 'number',
    startedAt: 'text',
    state: 'text',
    partition: 'text',
    bootEpoch: 'number',
    addresses: { link: 'text', gossip: 'text', api: 'text' },
    certificate: { serial: 'text', notBefore: 'text', notAfter: 'text' },
    gossipKeyVersion: 'number',
    agents: 'number',
    links: 'number',
    audit: { state: 'text', sequence: 'number', hash: 'text' },
    'revoked?': { by: 'text', reason: 'text' },
    'suspended?': { by: 'text', reason: 'text' },
    'siem?': [{ name: 'text', kind: 'text', confirmedSequence: 'number', backlogRecords: 'number' }],
  },
  members: {
    items: [
      {
        nodeId: 'text',
        status: 'text',
        address: 'text',
        bootEpoch: 'number',
        incarnation: 'number',
        self: 'flag',
        link: 'text',
        since: 'text',
      },
    ],
  },
  links: {
    items: [
      {
        peer: 'text',
        state: 'text',
        side: 'text',
        spiffeId: 'text',
        serial: 'text',
        tlsProtocol: 'text',
        keyExchange: 'text',
        since: 'text',
      },
    ],
  },
  agents: { items: [agent], 'next?': 'text' },
  agent,
  sent: {
    messageId: 'text',
    'reply?': { performative: 'text', sender: 'text', language: 'text', content: 'text' },
  },
  records: { items: ['object'] },
  verification: {
    valid: 'flag',
    records: 'number',
    headSequence: 'number',
    headHash: 'text',
    'firstBad?': { sequence: 'number', reason: 'text' },
  },
  checkpoint: {
    origin: 'text',
    size: 'number',
    witnessedSize: 'number',
    witnesses: [{ nodeId: 'text', at: 'text' }],
    'evidence?': 'text',
    'fork?': { kind: 'text', size: 'number', by: 'text' },
  },
  witnessed: {
    items: [
      {
        nodeId: 'text',
        size: 'number',
        root: 'text',
        'evidence?': 'text',
        'fork?': { kind: 'text', size: 'number', root: 'text' },
      },
    ],
  },
  whoami: {
    identity: 'text',
    'expiresAt?': 'text',
    roles: [{ role: 'text', resources: ['text'] }],
    permissions: ['text'],
  },
  notices: { items: [notice] },
  notice,
  roots: {
    generation: 'number',
    roots: ['text'],
    issuing: 'number',
    held: ['text'],
    current: 'flag',
    oldLinks: ['text'],
    members: [{ nodeId: 'text', status: 'text', 'acknowledgement?': 'text', 'certificate?': 'text' }],
  },
  proof: { sequence: 'number', size: 'number', witnesses: 'number', proof: 'text' },
  consistency: { from: 'number', to: 'number', root: 'text', hashes: ['text'] },
  actors: { items: [{ path: 'text', kind: 'text', incarnation: 'number', restarts: 'number', waiting: 'number' }] },
  metrics: { items: [{ name: 'text', kind: 'text', labels: 'object', value: 'number' }] },
  /** An answer that says only that it was done. */
  done: {},
} as const satisfies Readonly<Record<string, AnswerShape>>;
