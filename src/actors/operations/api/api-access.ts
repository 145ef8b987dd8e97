import { sameHash } from '../../../crypto/api-key.ts';
import { ok, type Result, refuse } from '../../../errors.ts';
import {
  type HeldRoles,
  judgeAccess,
  type RoleTable,
  rolesOf,
  roleTable,
  type Wanted,
} from '../../../protocols/access/access.ts';
import { type AgreedKey, type ApiKeysBody, agreedKeys } from '../../../protocols/access/api-keys.ts';
import { type Permission, permissions } from '../../../protocols/access/permission.ts';
import type { Resource } from '../../../protocols/access/resource.ts';
import type { RolesBody } from '../../../protocols/access/roles.ts';

export interface ApiAccessOptions {
  /** The keys of the node’s own file: they count until a document says which keys there are. */
  readonly fileKeys: ApiKeysBody;
  /** A keyed hash under which keys are looked up, so that the time of it tells nothing of those that are known. */
  readonly blind: (hash: string) => string;
}

/** The documents in force; several of a kind are of one generation, and each must permit. Empty: none is held. */
export interface AccessDocuments {
  readonly roles: readonly RolesBody[];
  readonly keys: readonly ApiKeysBody[];
}

/** Who has shown which key. What they may do is asked of `ApiAccess` each time, for it may change. */
export interface ApiIdentity {
  /** `apikey:<id>`. */
  readonly subject: string;
  /** Of the secret that was shown. */
  readonly keyHash: string;
}

/** What somebody may do, for themselves to see. */
export interface AccessView {
  readonly identity: string;
  /** When the key that was shown stops to count, RFC 3339; absent when it does not. */
  readonly expiresAt?: string;
  readonly roles: readonly { readonly role: string; readonly resources: readonly Resource[] }[];
  /** Those on the whole cluster. */
  readonly permissions: readonly Permission[];
}

interface World {
  readonly documents: AccessDocuments;
  readonly tables: readonly [RoleTable, ...RoleTable[]];
  readonly keys: ReadonlyMap<string, { readonly hash: string; readonly key: AgreedKey }>;
}

const unknownKey = refuse('UNAUTHENTICATED', 'The API key is not known to this node.');

/** Who may use the management API, and for what. `NoticeBoard` sets the documents, and its identity stays. */
export class ApiAccess {
  readonly #options: ApiAccessOptions;
  #world: World;
  readonly #listeners: (() => void)[] = [];

  constructor(options: ApiAccessOptions) {
    this.#options = options;
    this.#world = this.#worldOf({ roles: [], keys: [] });
  }

  /** From now on these documents are in force. */
  set(documents: AccessDocuments): void {
    const held = this.#world.documents;
    if (isSame(held.roles, documents.roles) && isSame(held.keys, documents.keys)) return;
    this.#world = this.#worldOf(documents);
    for (const listener of this.#listeners) listener();
  }

  /** Whether there is any key with which somebody could come in, now or later. */
  get hasKeys(): boolean {
    return this.#world.keys.size > 0;
  }

  /** Hears that keys or roles are others now. */
  onChanged(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whose key has this hash. `now` in milliseconds since 1970. UNAUTHENTICATED, with a reason for the audit log. */
  identify(keyHash: string, now: number): Result<ApiIdentity> {
    const key = this.#keyOf(keyHash, now);
    return key.ok ? ok({ subject: subjectOf(key.value), keyHash }) : key;
  }

  /** Whether they may do it now. UNAUTHENTICATED when the key does not count any more, INSUFFICIENT_PERMISSIONS. */
  judge({ keyHash }: ApiIdentity, permission: Permission, wanted: Wanted, now: number): Result<void> {
    const key = this.#keyOf(keyHash, now);
    return key.ok ? judgeAccess(this.#standing(key.value), permission, wanted) : key;
  }

  /** When the key stops to count, milliseconds since 1970; Infinity when it does not by itself. */
  endsAt({ keyHash }: ApiIdentity): number {
    return this.#find(keyHash)?.expiresAt ?? Number.POSITIVE_INFINITY;
  }

  /** UNAUTHENTICATED. */
  view({ keyHash }: ApiIdentity, now: number): Result<AccessView> {
    const key = this.#keyOf(keyHash, now);
    if (!key.ok) return key;
    const standing = this.#standing(key.value);
    const { expiresAt } = key.value;
    return ok({
      identity: standing.subject,
      ...(Number.isFinite(expiresAt) ? { expiresAt: new Date(expiresAt).toISOString() } : {}),
      roles: rolesOf(standing),
      permissions: permissions.filter((permission) => judgeAccess(standing, permission, 'cluster').ok),
    });
  }

  /** Whether `subject` has a key now that may do it, and would have none with these documents. */
  wouldLose(subject: string, permission: Permission, documents: AccessDocuments, now: number): boolean {
    const holds = (world: World): boolean =>
      [...world.keys.values()].some(
        ({ key }) =>
          subjectOf(key) === subject &&
          isInTime(key, now) &&
          judgeAccess(standingIn(world, key), permission, 'cluster').ok,
      );
    return holds(this.#world) && !holds(this.#worldOf(documents));
  }

  #keyOf(keyHash: string, now: number): Result<AgreedKey> {
    const key = this.#find(keyHash);
    if (!key) return unknownKey;
    if (isInTime(key, now)) return ok(key);
    const time = new Date(now < key.notBefore ? key.notBefore : key.expiresAt).toISOString();
    const what = now < key.notBefore ? `counts from ${time} on` : `has ended at ${time}`;
    return refuse('UNAUTHENTICATED', `The API key of ${key.id} ${what}.`);
  }

  #find(keyHash: string): AgreedKey | undefined {
    const found = this.#world.keys.get(this.#options.blind(keyHash));
    return found && sameHash(found.hash, keyHash) ? found.key : undefined;
  }

  #standing(key: AgreedKey) {
    return standingIn(this.#world, key);
  }

  #worldOf(documents: AccessDocuments): World {
    const { fileKeys, blind } = this.#options;
    const [first, ...rivals] = documents.roles.map(roleTable);
    const keys = agreedKeys(documents.keys.length === 0 ? [fileKeys] : documents.keys);
    return {
      documents,
      tables: first ? [first, ...rivals] : [roleTable()],
      keys: new Map([...keys].map(([hash, key]) => [blind(hash), { hash, key }])),
    };
  }
}

const subjectOf = ({ id }: AgreedKey): string => `apikey:${id}`;

const isInTime = ({ notBefore, expiresAt }: AgreedKey, now: number): boolean => now >= notBefore && now < expiresAt;

function standingIn({ tables }: World, key: AgreedKey) {
  const [first, ...rivals] = key.entries as readonly [HeldRoles, ...HeldRoles[]];
  return { subject: subjectOf(key), tables, own: [first, ...rivals] as const };
}

const isSame = (before: readonly unknown[], after: readonly unknown[]): boolean =>
  before.length === after.length && before.every((one, at) => one === after[at]);
