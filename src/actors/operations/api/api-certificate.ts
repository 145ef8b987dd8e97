import { fromPromise, setup } from 'xstate';
import { CaxtonError } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { renewalAt, type Urgency, urgencies, urgencyAt } from '../../../protocols/issuance/renewal-time.ts';
import { certificatePeriod } from '../../cluster/identity/pem.ts';
import type { Clock, TlsIdentity } from '../../kernel/ports.ts';

export interface ApiCertificateOptions {
  readonly clock: Clock;
  readonly shown: TlsIdentity;
  /** Reads and judges the two files; rejects with a CaxtonError that names the file. */
  readonly read: () => Promise<TlsIdentity>;
  /** New connections are shown it. Throws when TLS cannot use it. */
  readonly show: (tls: TlsIdentity) => void;
  readonly shows: (tls: TlsIdentity) => void;
  readonly fault: (message: string, error: unknown) => void;
}

/**
 * The API’s certificate where it has files of its own, which somebody else renews: shown as soon as the files are replaced,
 * and warned of before it ends.
 */
export class ApiCertificate {
  readonly #options: ApiCertificateOptions;
  #shown: TlsIdentity;
  /** What was wrong with the files the last time, and whether that was told. */
  #trouble: { readonly text: string; readonly told: boolean } | undefined;
  #warned: Urgency = 'none';

  constructor(options: ApiCertificateOptions) {
    this.#options = options;
    this.#shown = options.shown;
  }

  /** Never rejects: what is wrong is told, and what was shown before goes on being shown. */
  async check(): Promise<void> {
    try {
      await this.#reload();
      this.#trouble = undefined;
    } catch (error) {
      this.#failed(error);
    }
    this.#warn();
  }

  async #reload(): Promise<void> {
    const { read, show, shows } = this.#options;
    const found = await read();
    if (found.certPem === this.#shown.certPem && found.keyPem === this.#shown.keyPem) return;
    show(found);
    this.#shown = found;
    this.#warned = 'none';
    shows(found);
  }

  /** Two files are not replaced at once: what is wrong in one round and well in the next is nobody’s concern. */
  #failed(error: unknown): void {
    const text = error instanceof CaxtonError ? error.reasons.join(' ') : String(error);
    const again = this.#trouble?.text === text;
    if (again && !this.#trouble?.told)
      this.#options.fault(
        `the API goes on with its certificate, since that in the files cannot be used: ${text}`,
        error,
      );
    this.#trouble = { text, told: again };
  }

  #warn(): void {
    const { clock, fault } = this.#options;
    const period = certificatePeriod(this.#shown.certPem);
    const urgency = urgencyAt(renewalAt(period, undefined, 0), period.notAfter, clock.now());
    if (urgencies.indexOf(urgency) <= urgencies.indexOf(this.#warned)) return;
    this.#warned = urgency;
    const end = new Date(period.notAfter).toISOString();
    const what = urgency === 'over' ? `has ended (${end}): no client accepts it` : `ends ${end}`;
    fault(
      `THE API’S CERTIFICATE ${what}: replace security.api.tls.cert and its key, which takes no restart`,
      undefined,
    );
  }
}

/** Looks at the files of the API’s certificate, a round each minute. */
export const apiCertificate = setup({
  types: {
    context: {} as { readonly certificate: ApiCertificate },
    input: {} as { readonly certificate: ApiCertificate },
    events: {} as { readonly type: 'kernel.shutdown' },
  },
  actors: { check: fromPromise<void, ApiCertificate>(({ input }) => input.check()) },
}).createMachine({
  id: 'api-certificate',
  context: ({ input }) => input,
  initial: 'checking',
  on: { 'kernel.shutdown': '.stopped' },
  states: {
    checking: { invoke: { src: 'check', input: ({ context }) => context.certificate, onDone: 'waiting' } },
    waiting: { after: { [limits.apiCertificateCheckMs]: 'checking' } },
    stopped: { type: 'final' },
  },
});
