import { createSocket } from 'node:dgram';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

const host = '127.0.0.1';

interface Node {
  readonly name: string;
  readonly pid: () => number;
  /** Where it really listens. */
  readonly port: number;
}

interface Wire {
  readonly from: string;
  readonly to: string;
  readonly in: Socket;
  readonly out: Socket;
}

/**
 * Stands at the address that each node tells others, and knows who sends: so the way from one node to another can be
 * cut, and the way back left open, on one machine and without root. Whose connection it is the system tells (/proc).
 */
export class PairRelay {
  readonly #nodes: readonly Node[];
  readonly #cut = new Set<string>();
  readonly #wires = new Set<Wire>();
  /** Connections that came while their way was cut: they get no answer. */
  readonly #held = new Set<Socket>();
  readonly #ports = new Map<string, number>();

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes;
  }

  async open(): Promise<void> {
    for (const node of this.#nodes) this.#ports.set(node.name, await this.#openFor(node));
  }

  address(name: string): string {
    return `${host}:${this.#ports.get(name)}`;
  }

  /** Nothing gets from one to the other any more; what is under way on connections waits, as TCP’s does. */
  cut(from: string, to: string): void {
    this.#cut.add(`${from} ${to}`);
    for (const wire of this.#wires) this.#flow(wire);
  }

  heal(): void {
    this.#cut.clear();
    for (const socket of this.#held) socket.destroy();
    this.#held.clear();
    for (const wire of this.#wires) this.#flow(wire);
  }

  #isCut(from: string, to: string): boolean {
    return this.#cut.has(`${from} ${to}`);
  }

  async #openFor(node: Node): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(node, socket));
    await new Promise<void>((resolve) => server.listen(0, host, resolve));
    server.unref();
    const { port } = server.address() as { port: number };
    const socket = createSocket('udp4');
    socket.on('message', (bytes, { port: from }) => {
      const sender = this.#nodes.find(({ port: known }) => known === from);
      if (sender && !this.#isCut(sender.name, node.name)) socket.send(bytes, node.port, host);
    });
    await new Promise<void>((resolve) => socket.bind(port, host, resolve));
    socket.unref();
    return port;
  }

  #accept(node: Node, socket: Socket): void {
    socket.on('error', () => {});
    const from = this.#ownerOf(socket.remotePort!);
    if (from === undefined || this.#isCut(from, node.name) || this.#isCut(node.name, from)) {
      this.#held.add(socket.pause());
      socket.once('close', () => this.#held.delete(socket));
      return;
    }
    const onward = connect({ port: node.port, host, allowHalfOpen: true });
    onward.on('error', () => socket.destroy());
    const wires = [
      { from, to: node.name, in: socket, out: onward },
      { from: node.name, to: from, in: onward, out: socket },
    ];
    for (const wire of wires) {
      this.#wires.add(wire);
      wire.in.on('data', (bytes) => {
        if (!wire.out.write(bytes)) wire.in.pause();
      });
      wire.out.on('drain', () => this.#flow(wire));
      wire.in.once('end', () => wire.out.end());
      wire.in.once('close', () => {
        this.#wires.delete(wire);
        wire.out.destroy();
      });
    }
  }

  #flow(wire: Wire): void {
    if (this.#isCut(wire.from, wire.to)) wire.in.pause();
    else wire.in.resume();
  }

  /** The node whose process has a connection from this port. */
  #ownerOf(port: number): string | undefined {
    const local = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    const line = readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .find((text) => text.trim().split(/\s+/)[1] === local);
    const inode = line?.trim().split(/\s+/)[9];
    return this.#nodes.find(({ pid }) => holds(pid(), `socket:[${inode}]`))?.name;
  }
}

function holds(pid: number, link: string): boolean {
  try {
    const folder = `/proc/${pid}/fd`;
    return readdirSync(folder).some((fd) => {
      try {
        return readlinkSync(`${folder}/${fd}`) === link;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
