#!/usr/bin/env node
/*
 * Starts the command line. This file alone has to run on any Node that somebody may have, so that an old one is told
 * what to do instead of stopping at a syntax error: no syntax newer than Node 12’s.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const needed = [24, 11];
const root = fileURLToPath(new URL('..', import.meta.url));
const inClone = existsSync(join(root, 'src', 'cli.ts'));

const [major, minor] = process.versions.node.split('.').map(Number);
if (major > needed[0] || (major === needed[0] && minor >= needed[1])) runHere();
else runElsewhere();

function runHere() {
  if (module.enableCompileCache && !process.env.NODE_COMPILE_CACHE) {
    const folder = cacheFolder();
    if (folder) module.enableCompileCache(folder);
  }
  // The reader of a pipe may leave before the end: `caxton audit tail | head -1`.
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') process.stderr.write(`caxton: the output cannot be written: ${error.code}\n`);
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  // Then there is nobody to complain to; what was begun is still done.
  process.stderr.on('error', () => {});
  // A rejection is a bug: Node prints it and ends with exit code 1.
  import(inClone ? '../src/cli.ts' : '../dist/cli.js')
    .then((cli) => cli.main(process.argv.slice(2)))
    .then((code) => {
      process.exitCode = code;
    });
}

/** Not Node’s default, a folder in the system’s temporary one: other users could put code there for us to run. */
function cacheFolder() {
  if (inClone) return join(root, 'node_modules', '.cache', 'caxton');
  try {
    return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'caxton');
  } catch (_) {
    // An account without a home folder, as containers have: no cache then.
    return undefined;
  }
}

/** This Node is too old. A clone brings the right one; elsewhere its owner has to. */
function runElsewhere() {
  const own = join(root, 'node_modules', 'node', 'bin', 'node');
  if (!inClone || !existsSync(own)) {
    const what = `caxton needs Node.js ${needed.join('.')} or newer; this is ${process.version}, ${process.execPath}.`;
    const mend = inClone
      ? 'Run `npm ci` in this folder: it brings the right Node.js, and caxton then finds it by itself.'
      : 'Install it from https://nodejs.org, or run: npx -p node@24 -p caxton-runtime caxton';
    process.stderr.write(`${what}\n${mend}\n`);
    process.exitCode = 1;
    return;
  }
  const child = spawn(own, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  // A terminal signals both of us; a service manager only this process.
  for (const name of signals) process.on(name, () => child.kill(name));
  child.on('error', (error) => {
    process.stderr.write(`${own} cannot be started: ${error.message}\n`);
    process.exitCode = 1;
  });
  child.on('exit', (code, signal) => {
    if (signal === null) {
      process.exitCode = code;
      return;
    }
    // Ends as the child did, so that whoever started us sees the same.
    for (const name of signals) process.removeAllListeners(name);
    process.kill(process.pid, signal);
  });
}
