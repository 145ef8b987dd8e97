import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../runner/machine.ts';

export interface Packaged {
  readonly program: string;
  remove(): void;
}

/**
 * The program as an installed package has it: JavaScript built from these very sources, with no sources beside it. Its
 * dependencies are the clone’s. Undefined when the sources do not build.
 */
export function packagedProgram(): Packaged | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'caxton-bench-package-'));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  const compiler = join(projectRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  const build = [compiler, '-p', join(projectRoot, 'tsconfig.build.json'), '--outDir', join(folder, 'dist')];
  if (spawnSync(process.execPath, build, { stdio: 'ignore' }).status !== 0) {
    remove();
    return undefined;
  }
  mkdirSync(join(folder, 'bin'));
  cpSync(join(projectRoot, 'bin', 'caxton.js'), join(folder, 'bin', 'caxton.js'));
  cpSync(join(projectRoot, 'package.json'), join(folder, 'package.json'));
  symlinkSync(join(projectRoot, 'node_modules'), join(folder, 'node_modules'));
  return { program: join(folder, 'bin', 'caxton.js'), remove };
}
