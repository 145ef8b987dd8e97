import { execFileSync, spawnSync } from 'node:child_process';

/** What the oracles compare with, by the command that shows that it is there. */
const needed = [
  { command: 'erl', arguments: ['-noshell', '-eval', 'halt().'], packages: ['erlang-base'] },
  { command: 'rsyslogd', arguments: ['-v'], packages: ['rsyslog', 'rsyslog-gnutls'] },
  { command: 'openssl', arguments: ['version'], packages: ['openssl'] },
  { command: 'go', arguments: ['version'], packages: ['golang-go'] },
  {
    command: 'ls',
    arguments: ['/usr/share/gocode/src/golang.org/x/mod/sumdb'],
    packages: ['golang-golang-x-mod-dev'],
  },
] as const;

const missing = needed.filter((tool) => spawnSync(tool.command, tool.arguments).status !== 0);
if (missing.length > 0) {
  const packages = missing.flatMap((tool) => tool.packages);
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  if (process.getuid?.() !== 0) {
    console.error(`The oracles need what is not installed here:\n\n  sudo apt-get ${install.join(' ')}\n`);
    process.exit(1);
  }
  execFileSync('apt-get', ['update', '-q'], { stdio: 'inherit' });
  execFileSync('apt-get', [...install, '-q'], { stdio: 'inherit' });
}
