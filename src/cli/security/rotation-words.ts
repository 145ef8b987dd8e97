import type { BundleStep } from '../../actors/cluster/identity/root-rotation.ts';
import { type Missing, rotationStage } from '../../protocols/notice/root-rotation.ts';
import { printable } from '../../protocols/printable.ts';
import type { Invocation } from '../command.ts';
import type { CliSurvey } from './rotation-survey.ts';

/** For programs. */
export function viewOf({ state, bundle, issuers, silent }: CliSurvey, missing: readonly Missing[]) {
  const serialOf = (root: string | undefined) => bundle.roots.find(({ text }) => text === root)?.serial ?? null;
  return {
    stage: rotationStage(state.bundle),
    generation: state.generation,
    roots: bundle.roots.map(({ serial, notAfter }) => ({
      serial,
      notAfter: new Date(notAfter).toISOString(),
      issuing: serial === bundle.issuing.serial,
    })),
    members: state.members.map(({ nodeId, acknowledged, root, endsAt }) => ({
      ...{ nodeId, acknowledged, root: serialOf(root) },
      endsAt: endsAt === undefined ? null : new Date(endsAt).toISOString(),
    })),
    missing,
    issuers,
    silent,
  };
}

/** Where a rotation stands. */
export function stageWords({ state, bundle }: CliSurvey): string {
  const [old] = bundle.roots;
  const newest = bundle.roots.at(-1)!;
  switch (rotationStage(state.bundle)) {
    case 'settled':
      return `No rotation is under way: the root is ${newest.serial}, until ${new Date(newest.notAfter).toISOString()} (generation ${state.generation}).`;
    case 'distributing':
      return `Distributing: members learn to believe ${newest.serial} beside ${old!.serial} (generation ${state.generation}).`;
    case 'issuing':
      return `Issuing: members get certificates under ${newest.serial}; ${old!.serial} is still believed (generation ${state.generation}).`;
  }
}

/** What a bundle does. */
export const stepWords: Readonly<Record<BundleStep['type'], string>> = {
  distribute: 'all members learn to believe the next root beside the old one',
  issue: 'CA nodes sign under the next root, and every member renews its certificates',
  drop: 'the old root is dropped: what stands under it counts no more, and links with it end',
};

/** Said before a bundle is signed. */
export function sayStep({ terminal }: Invocation, { type, leftBehind }: BundleStep, generation: number): void {
  terminal.err(`generation ${generation}: ${stepWords[type]}\n`);
  if (leftBehind.length === 0) return;
  terminal.err(
    `${type === 'drop' ? 'LOCKED OUT, until they enrol again' : 'left behind'}:\n${leftBehind.map(wordsOf).join('\n')}\n`,
  );
}

export const wordsOf = ({ nodeId, reason }: Missing): string => `  ${nodeId}: ${printable(reason)}`;
