import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { createActor, toPromise } from 'xstate';
import { type RotationOutcome, rootRotation } from '../../actors/cluster/identity/root-rotation.ts';
import { nodeClock } from '../../actors/kernel/node-clock.ts';
import { utf8 } from '../../actors/kernel/utf8.ts';
import { nodeDisk } from '../../actors/operations/node-disk.ts';
import { parseDuration } from '../../config/quantity.ts';
import { keyIdOf, publicHalf } from '../../crypto/keys.ts';
import { type RootBundle, readRootBundle, rootsInPem } from '../../crypto/root-bundle.ts';
import { CaxtonError, unwrap } from '../../errors.ts';
import { nextRotationStep, rotationStage } from '../../protocols/notice/root-rotation.ts';
import type { RootsBody } from '../../protocols/notice/roots.ts';
import { type ExitCode, type Invocation, UsageError } from '../command.ts';
import { profileOf } from '../connect.ts';
import { authorityKey, signedBy } from '../notice/authority-key.ts';
import { type AuthorityKeys, givenAuthorities } from '../notice/verified-notice.ts';
import { writeJson } from '../output.ts';
import { caPathOf, type Profile } from '../profile.ts';
import { about, readPem, trustDomainOf } from './held-ca.ts';
import { makeNextRoot, type RootPlaces, readNextRoot } from './next-root.ts';
import { putInForce } from './put-in-force.ts';
import { type CliSurvey, surveyRotation } from './rotation-survey.ts';
import { sayStep, stageWords, stepWords, viewOf, wordsOf } from './rotation-words.ts';

const help = 'caxton security rotate-ca --help';
const waitDefault = '2m';
const pauseMs = 500;

/** What the invocation and, for a development cluster, its folder come to. */
interface Plan {
  readonly invocation: Invocation;
  /** Read anew after each bundle: the CA in it follows. */
  profile: Profile;
  readonly anchors: AuthorityKeys;
  readonly first: RootsBody;
  readonly places: Partial<RootPlaces>;
  /** The folder of a development cluster, whose keys lie beside the profile. */
  readonly development: boolean;
}

/** Rotates the root of the cluster’s certificates, from wherever a rotation stands; or says where it stands. */
export async function rotateCa(invocation: Invocation): Promise<ExitCode> {
  const { flag, text } = invocation;
  if (flag('prepare')) return prepareOnly(invocation);
  const waitMs = parseDuration(text('wait') ?? waitDefault);
  if (waitMs === undefined) throw new UsageError('--wait is a time such as 30s or 10m.', help);
  const plan = await planOf(invocation);
  const first = await survey(plan);
  if (flag('status') || flag('dry-run')) return tell(plan, first);
  return drive(plan, first, waitMs);
}

/** Where the old root’s key is there need not be a network. */
async function prepareOnly(invocation: Invocation): Promise<ExitCode> {
  const { text, terminal } = invocation;
  const [caCert, caKey, nextCert, nextKey] = ['ca-cert', 'ca-key', 'next-cert', 'next-key'].map((name) => text(name));
  if (!caCert || !caKey || !nextCert || !nextKey)
    throw new UsageError('--prepare takes --ca-cert, --ca-key, --next-cert and --next-key.', help);
  await makeNextRoot(invocation, { caCert, caKey, nextCert, nextKey });
  terminal.out(`${nextCert} is ready: bring it to where you run caxton security rotate-ca --next-cert ${nextCert}\n`);
  return 0;
}

async function planOf(invocation: Invocation): Promise<Plan> {
  const { text, terminal } = invocation;
  const profile = await profileOf(invocation);
  const folder = dirname(profile.path);
  const own = (...parts: string[]) => join(folder, ...parts);
  const development = existsSync(own('ca', 'ca.key')) && existsSync(own('keys', 'authority.key'));
  const given = (name: string, ...parts: string[]) => text(name) ?? (development ? own(...parts) : undefined);
  const caKey = given('ca-key', 'ca', 'ca.key');
  const authority = given('authority-key', 'keys', 'authority.key');
  const anchors = new Map(await givenAuthorities(invocation));
  if (authority !== undefined) {
    const key = publicHalf(
      await authorityKey({ ...invocation, text: (name) => (name === 'authority-key' ? authority : text(name)) }),
    );
    anchors.set(keyIdOf(key), key);
  }
  if (anchors.size === 0)
    throw new UsageError('Name whom to believe: --authority-key FILE to go on, --authority FILE to look.', help);
  const caCert = given('ca-cert', 'ca', 'ca.crt');
  const oldPem = text('ca-cert') === undefined ? profile.caPem : await readPem(resolve(terminal.cwd, text('ca-cert')!));
  const { roots } = about(caCert ?? profile.path, rootsInPem(oldPem));
  return {
    ...{ invocation, profile, anchors, development },
    first: {
      trustDomain: trustDomainOf(oldPem, caCert ?? profile.path),
      roots,
      issuing: 0,
      crossSigned: [],
      lockedOut: [],
    },
    places: defined({
      caCert,
      caKey,
      nextCert: given('next-cert', 'ca', 'next-root.crt'),
      nextKey: text('next-key') ?? (development && caKey !== undefined ? `${caKey}.next` : undefined),
    }),
  };
}

const defined = (places: Record<keyof RootPlaces, string | undefined>): Partial<RootPlaces> =>
  Object.fromEntries(Object.entries(places).filter(([, path]) => path !== undefined));

const survey = ({ profile, anchors, first }: Plan): Promise<CliSurvey> => surveyRotation({ profile, anchors, first });

async function drive(plan: Plan, first: CliSurvey, waitMs: number): Promise<ExitCode> {
  const { invocation } = plan;
  const { terminal, flag, text } = invocation;
  const path =
    text('authority-key') ?? (plan.development ? join(dirname(plan.profile.path), 'keys', 'authority.key') : undefined);
  if (path === undefined) throw new UsageError('Going on takes --authority-key FILE; --status only looks.', help);
  const key = await authorityKey({ ...invocation, text: (name) => (name === 'authority-key' ? path : text(name)) });
  await refuseAnother(plan, first);
  let seen: CliSurvey | undefined = first;
  let said = '';
  const actor = createActor(rootRotation, {
    input: {
      force: flag('force'),
      ...{ waitMs, pauseMs: Math.min(pauseMs, waitMs) },
      work: {
        monotonic: () => nodeClock.monotonic(),
        survey: async () => {
          const found = seen ?? (await survey(plan));
          seen = undefined;
          return found;
        },
        prepare: () => prepare(plan),
        publish: async (step, generation) => {
          const now = await survey(plan);
          sayStep(invocation, step, generation);
          const document = signedBy(key, {
            ...{ v: 1, kind: 'roots', generation, clusterId: plan.profile.clusterId, issuedAt: nodeClock.now() },
            body: step.body,
          });
          const put = await putInForce(plan.profile, document, now.heard, now.heard).catch((error: unknown) => ({
            error,
          }));
          if ('error' in put) {
            const later = await survey(plan);
            if (later.state.generation < generation) throw put.error;
            // Another operator takes the same steps: what is in force now says what is to be done.
            terminal.err(`  generation ${later.state.generation} was put in force by somebody else meanwhile\n`);
            return;
          }
          await keepCa(plan, now.bundle, unwrap(readRootBundle(step.body, now.state.bundle.trustDomain)));
          terminal.err(`  in force at ${put.node}${put.seenAt === undefined ? '' : ` and ${put.seenAt}`}\n`);
        },
        finish: async ({ state }) => {
          const bundle = unwrap(readRootBundle(state.bundle, state.bundle.trustDomain));
          await keepCa(plan, bundle, bundle);
          if (plan.development) await tidyDevelopment(plan, bundle);
        },
        waiting: (missing) => {
          const words = missing.map(wordsOf).join('\n');
          if (words !== said) terminal.err(`waiting for:\n${words}\n`);
          said = words;
        },
      },
    },
  });
  actor.start();
  return ended(plan, (await toPromise(actor)) as RotationOutcome);
}

async function ended(plan: Plan, outcome: RotationOutcome): Promise<ExitCode> {
  const { terminal, json } = plan.invocation;
  if (outcome.type === 'failed') throw outcome.error;
  const missing = outcome.type === 'stuck' ? outcome.missing : [];
  if (outcome.type === 'conflict')
    throw new CaxtonError('ALREADY_EXISTS', 'A rotation to another root is under way: end that one first.');
  const now = await survey(plan);
  if (json) writeJson(terminal, viewOf(now, missing));
  if (outcome.type === 'done') {
    if (!json) terminal.out(`${stageWords(now)}\n`);
    return 0;
  }
  if (!json) terminal.out(`${stageWords(now)}\nStill missing:\n${missing.map(wordsOf).join('\n')}\n`);
  terminal.err('Run the same command again to go on; --force goes on without them, and locks them out.\n');
  return 1;
}

/** Says where it stands, what comes next and for whom that waits; changes nothing. */
async function tell(plan: Plan, now: CliSurvey): Promise<ExitCode> {
  const { terminal, json, flag } = plan.invocation;
  const next = plan.places.nextCert === undefined ? undefined : resolve(terminal.cwd, plan.places.nextCert);
  const isThere = next !== undefined && existsSync(next);
  const prepared = isThere
    ? await readNextRoot(next, now.bundle.roots[0]!.text, now.state.bundle.trustDomain)
    : undefined;
  const settled = rotationStage(now.state.bundle) === 'settled';
  const step = nextRotationStep(now.state, settled ? prepared : undefined, flag('force'));
  const missing = [...(step.type === 'wait' ? step.missing : []), ...now.alsoMissing];
  if (json) {
    writeJson(terminal, { ...viewOf(now, missing), next: step.type, ...('body' in step ? { body: step.body } : {}) });
    return 0;
  }
  terminal.out(`${stageWords(now)}\n`);
  for (const { nodeId, acknowledged, root, endsAt } of now.state.members) {
    const of = now.bundle.roots.find(({ text }) => text === root)?.serial ?? 'an unknown root';
    const until = endsAt === undefined ? '' : `, until ${new Date(endsAt).toISOString()}`;
    terminal.out(`  ${nodeId}: generation ${acknowledged} acknowledged, certificate under ${of}${until}\n`);
  }
  if (now.silent.length > 0) terminal.out(`no answer from: ${now.silent.join(', ')}\n`);
  terminal.out(`CAs under the newest root: ${now.issuers.join(', ') || 'none that answers'}\n`);
  if (missing.length > 0) terminal.out(`missing:\n${missing.map(wordsOf).join('\n')}\n`);
  if (!flag('dry-run')) return 0;
  if ('body' in step) {
    terminal.out(`next: ${stepWords[step.type]} (generation ${now.state.generation + 1})\n`);
    if (step.leftBehind.length > 0) terminal.out(`locked out by it:\n${step.leftBehind.map(wordsOf).join('\n')}\n`);
  } else if (step.type === 'wait') terminal.out('next: nothing, until they are there; --force goes on without them\n');
  else if (plan.development || plan.places.caKey !== undefined)
    terminal.out('next: a new root is made, the old one signs it, and both are distributed (generation 1 more)\n');
  else terminal.out('next: nothing. Make the next root with --prepare, and name it with --next-cert.\n');
  return 0;
}

/** The next root that the operator names, or makes here with the old one’s key. */
async function prepare({ invocation, places, profile, anchors, first }: Plan) {
  const { terminal } = invocation;
  const { nextCert, nextKey, caCert, caKey } = places;
  if (nextCert === undefined)
    throw new UsageError('No rotation is under way: name the next root with --next-cert (see --prepare).', help);
  if (!existsSync(resolve(terminal.cwd, nextCert))) {
    if (!caCert || !caKey || !nextKey)
      throw new UsageError(`${nextCert} is not there: make it with --prepare where the old root’s key is.`, help);
    await makeNextRoot(invocation, { nextCert, nextKey, caCert, caKey });
  }
  const { bundle } = await surveyRotation({ profile, anchors, first });
  return readNextRoot(resolve(terminal.cwd, nextCert), bundle.roots[0]!.text, first.trustDomain);
}

/** What is under way is gone on with; who names another root by a file means something else. */
async function refuseAnother({ invocation, first }: Plan, { state, bundle }: CliSurvey): Promise<void> {
  const named = invocation.text('next-cert');
  if (named === undefined || rotationStage(state.bundle) === 'settled') return;
  const next = await readNextRoot(resolve(invocation.terminal.cwd, named), bundle.roots[0]!.text, first.trustDomain);
  if (next.root !== bundle.roots.at(-1)!.text)
    throw new CaxtonError('ALREADY_EXISTS', [
      `A rotation to the root ${bundle.roots.at(-1)!.serial} is under way, and ${named} is another one.`,
      'End that rotation first: leave --next-cert away.',
    ]);
}

/** The CA of the profile follows the cluster’s, when it is that: one of another CA is left alone. */
async function keepCa(plan: Plan, before: RootBundle, now: RootBundle): Promise<void> {
  const known = [...before.roots, ...now.roots].map(({ text }) => text);
  const found = rootsInPem(plan.profile.caPem);
  if (!found.ok || !found.value.roots.every((text) => known.includes(text))) return;
  plan.profile = { ...plan.profile, caPem: now.caPem };
  const path = await caPathOf(plan.profile);
  // The bundle is in force whether this file says so or not.
  await nodeDisk
    .writeFileAtomic(path, utf8.encode(now.caPem), 0o644)
    .catch(({ code, message }: NodeJS.ErrnoException) => {
      const why = code ?? message;
      plan.invocation.terminal.err(
        `  ${path} could not be brought up to date (${why}): put the roots there that a node has in its ca_certificate_path, or this profile reaches nobody once the old one is dropped\n`,
      );
    });
}

/** In a development cluster the next root’s key takes the old one’s place, unless a node was faster. */
async function tidyDevelopment({ places }: Plan, bundle: RootBundle): Promise<void> {
  const { caKey, nextKey, nextCert } = places;
  if (!nextCert || !caKey || !nextKey || !existsSync(nextCert)) return;
  const next = unwrap(rootsInPem(await readPem(nextCert))).roots;
  if (!next.includes(bundle.issuing.text)) return;
  if (existsSync(nextKey)) await rename(nextKey, caKey).catch(ignoreMissing);
  await rm(nextCert, { force: true });
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
