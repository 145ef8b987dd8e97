import { addressText } from '../../actors/address.ts';
import type { Address, LinkChannel, LinkDialOptions } from '../../actors/kernel/ports.ts';
import { isSelfIssued, joinChain } from '../../crypto/certificate-chain.ts';
import { CaxtonError } from '../../errors.ts';
import { limits } from '../../limits.ts';
import { MemoryChannel } from './channel.ts';
import type { Caller, MemoryLinkServer } from './link-server.ts';
import { Pipe } from './pipe.ts';
import { type ReadIdentity, readIdentity, refusalOf } from './tls-judgement.ts';
import { type Host, isPort, type World } from './world.ts';

/** Who is at an address: the name of the host for the way there, and the server if one listens. */
export interface Destination {
  readonly name: string;
  readonly server: () => MemoryLinkServer | undefined;
}

/**
 * One dial: the peer’s port, its certificate, ours, and the answer, each a way through the network. Ends by itself after
 * `linkHandshakeMsMax`, so a way that is blocked means UNREACHABLE.
 */
export class LinkDial implements Caller {
  readonly remote: Address;
  readonly #world: World;
  readonly #host: Host;
  readonly #options: LinkDialOptions;
  readonly #destination: Destination;
  readonly #there: Pipe;
  readonly #back: Pipe;
  readonly #timer: unknown;
  readonly #sinceMs: number;
  readonly #result = Promise.withResolvers<LinkChannel>();
  #identity: ReadIdentity | undefined;
  #server: MemoryLinkServer | undefined;
  #over = false;

  constructor(world: World, host: Host, local: Address, destination: Destination, options: LinkDialOptions) {
    this.remote = local;
    this.#world = world;
    this.#host = host;
    this.#options = options;
    this.#destination = destination;
    this.#sinceMs = world.clock.monotonic();
    this.#there = new Pipe(world, host.name, destination.name);
    this.#back = new Pipe(world, destination.name, host.name);
    this.#timer = world.clock.setTimeout(() => this.#fail('ETIMEDOUT'), limits.linkHandshakeMsMax);
    options.signal.addEventListener('abort', this.#aborted, { once: true });
    this.#begin();
  }

  get result(): Promise<LinkChannel> {
    return this.#result.promise;
  }

  hangUp(): void {
    this.#goBack(() => this.#fail('ECONNRESET'));
  }

  get #tookMs(): number {
    return this.#world.clock.monotonic() - this.#sinceMs;
  }

  readonly #aborted = (): void => this.#fail('it was given up');

  #begin(): void {
    const { address, identity, signal } = this.#options;
    try {
      this.#identity = readIdentity(identity);
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
      return;
    }
    if (signal.aborted) this.#aborted();
    else if (!isPort(address.port) || !/^[\w.:-]+$/.test(address.host)) this.#fail('that is no address');
    else this.#goThere(() => this.#arrived());
  }

  #arrived(): void {
    if (this.#over) return;
    const server = this.#destination.server();
    if (server) {
      this.#there.between(this.#host.name, server.host.name);
      this.#back.between(server.host.name, this.#host.name);
    }
    if (!server?.host.alive) this.#goBack(() => this.#fail('ECONNREFUSED'));
    else if (!server.admit(this)) this.hangUp();
    else {
      this.#server = server;
      const { shown } = server.identity;
      this.#goBack(() => this.#judge(server, shown));
    }
  }

  #judge(server: MemoryLinkServer, shown: ReadIdentity['shown']): void {
    if (this.#over) return;
    const own = this.#identity!;
    const reason = refusalOf(shown, own.trusted, this.#host.clock.now(), 'server');
    if (reason !== undefined) this.#fail(reason, 'CERTIFICATE_REFUSED');
    else this.#goThere(() => this.#shownTo(server, own, shown));
  }

  #shownTo(server: MemoryLinkServer, own: ReadIdentity, shown: ReadIdentity['shown']): void {
    if (!server.accept(this, own.shown)) {
      this.hangUp();
      return;
    }
    const near = { local: this.remote, remote: this.#options.address, peerCertificate: derOf(shown) };
    const far = { local: server.address, remote: this.remote, peerCertificate: derOf(own.shown) };
    const acceptor = new MemoryChannel(
      this.#world,
      server.host,
      { side: 'acceptor', tookMs: this.#tookMs, ...far },
      { out: this.#back, in: this.#there },
    );
    this.#goBack(() => {
      if (this.#over || !this.#host.alive) {
        // Nobody waits any more: what the acceptor says from now on is answered so.
        this.#goThere(() => acceptor.reset());
        return;
      }
      const dialer = new MemoryChannel(
        this.#world,
        this.#host,
        { side: 'dialer', tookMs: this.#tookMs, ...near },
        { out: this.#there, in: this.#back },
      );
      MemoryChannel.join(dialer, acceptor);
      this.#end();
      this.#result.resolve(dialer);
    });
    server.onChannel(acceptor);
  }

  #goThere(arrive: () => void): void {
    this.#there.push({ bytes: 0, ready: () => true, arrive });
  }

  #goBack(arrive: () => void): void {
    this.#back.push({ bytes: 0, ready: () => true, arrive });
  }

  #fail(reason: string, code: 'UNREACHABLE' | 'CERTIFICATE_REFUSED' = 'UNREACHABLE'): void {
    if (this.#over) return;
    this.#end();
    const server = this.#server;
    if (server) this.#goThere(() => void server.forget(this));
    const text = `${addressText(this.#options.address)} cannot be linked to: ${reason}.`;
    this.#result.reject(new CaxtonError(code, text));
  }

  #end(): void {
    this.#over = true;
    this.#world.clock.clearTimeout(this.#timer);
    this.#options.signal.removeEventListener('abort', this.#aborted);
  }
}

/** As on a real link: the leaf with its intermediates, a root left out. */
const derOf = (shown: ReadIdentity['shown']): Uint8Array =>
  joinChain(shown.filter((x509, at) => at === 0 || !isSelfIssued(x509)).map(({ raw }) => raw));
