import { type ExitCode, type Invocation, UsageError } from '../command.ts';

/** A host name, an IPv4 address or an IPv6 address in brackets, and a port. */
const address = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):([0-9]{1,5})$/;

/** The only verb that runs a node: so nothing of the node is loaded before here. */
export async function start({ text, list }: Invocation): Promise<ExitCode> {
  const configPath = text('config');
  const join = list('join');
  for (const one of join) {
    const port = Number(address.exec(one)?.[1]);
    if (!(port > 0 && port < 65_536)) throw new UsageError(`--join takes link addresses host:port, not “${one}”.`);
  }
  const { runStandalone } = await import('../../actors/standalone.ts');
  return runStandalone({
    ...(configPath === undefined ? {} : { configPath }),
    ...(join.length === 0 ? {} : { join: [...join] }),
  });
}
