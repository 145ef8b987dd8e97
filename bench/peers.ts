/**
 * The peers, as far as the benches use them. They live in bench/node_modules, which only `npm run bench` installs: their
 * types are written down here, so that the project type-checks without them.
 */

/** Loads a peer; an error says what to run. */
export async function peer<Module>(name: string): Promise<Module> {
  try {
    return (await import(name)) as Module;
  } catch (error) {
    throw new Error(`${name} is not there: run npm --prefix bench ci`, { cause: error });
  }
}

export interface NatsMessage {
  readonly data: Uint8Array;
  respond(data: Uint8Array): boolean;
}

export interface NatsConnection {
  subscribe(subject: string, options: { callback(error: Error | null, message: NatsMessage): void }): unknown;
  request(subject: string, data: Uint8Array, options: { timeout: number }): Promise<NatsMessage>;
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** `@nats-io/transport-node` */
export interface Nats {
  connect(options: {
    servers: string;
    tls: { caFile: string; certFile: string; keyFile: string };
  }): Promise<NatsConnection>;
}

type GrpcCallback<T> = (error: Error | null, value: T) => void;
export interface EchoMessage {
  readonly data: Uint8Array;
}

export interface EchoClient {
  call(request: EchoMessage, callback: GrpcCallback<EchoMessage>): unknown;
  close(): void;
}

/** `@grpc/grpc-js` */
export interface Grpc {
  readonly credentials: { createSsl(ca: Buffer, key: Buffer, cert: Buffer): unknown };
  readonly ServerCredentials: {
    createSsl(ca: Buffer, pairs: { private_key: Buffer; cert_chain: Buffer }[], checkClient: boolean): unknown;
  };
  readonly Server: new () => {
    addService(
      service: unknown,
      handlers: { call(call: { readonly request: EchoMessage }, callback: GrpcCallback<EchoMessage>): void },
    ): void;
    bindAsync(address: string, credentials: unknown, callback: GrpcCallback<number>): void;
    forceShutdown(): void;
  };
  loadPackageDefinition(definition: unknown): {
    readonly bench: {
      readonly Echo: { readonly service: unknown } & (new (address: string, credentials: unknown) => EchoClient);
    };
  };
}

/** `@grpc/proto-loader` */
export interface ProtoLoader {
  loadSync(path: string): unknown;
}

/** `moleculer` */
export interface Moleculer {
  readonly ServiceBroker: new (options: {
    logger: false;
  }) => {
    createService(schema: {
      name: string;
      actions: Record<string, (context: { readonly params: { readonly data: unknown } }) => unknown>;
    }): unknown;
    start(): Promise<void>;
    stop(): Promise<void>;
    call(action: string, params: { readonly data: unknown }): Promise<unknown>;
  };
}
