import { request as httpsRequest } from 'node:https';
import { CaxtonError, type ErrorCode, errorCodes, ok, type Result, refuse } from '../../../errors.ts';
import { limits } from '../../../limits.ts';
import { printable } from '../../../protocols/printable.ts';
import { addressText } from '../../address.ts';
import type { Address } from '../../kernel/ports.ts';

/** What a node sends that enrols again; bytes in base64. */
export interface ReEnrolmentBody {
  readonly certificate: string;
  readonly request: string;
  readonly proof: string;
}

/** Asks the API of a CA node: the chain as PEM, not judged yet. UNREACHABLE, TIMED_OUT, or what it refuses with. */
export type AskToEnrolAgain = (address: Address, caPem: string, body: ReEnrolmentBody) => Promise<Result<string>>;

/** Over TLS with the cluster’s CA alone; nothing that is sent is secret. */
export const askToEnrolAgain: AskToEnrolAgain = async (address, caPem, body) => {
  const where = addressText(address);
  try {
    const { status, text } = await post(address, caPem, JSON.stringify(body));
    return answerOf(where, status, text);
  } catch (error) {
    const { code, name } = error as NodeJS.ErrnoException;
    // What the signal aborts is an AbortError before the answer begins.
    if (name === 'AbortError' || name === 'TimeoutError')
      return refuse('TIMED_OUT', `${where} did not answer in time.`);
    return refuse('UNREACHABLE', `${where} cannot be asked: ${code ?? (error as Error).message}.`);
  }
};

interface Answer {
  readonly status: number;
  readonly text: string;
}

function post({ host, port }: Address, ca: string, body: string): Promise<Answer> {
  const bytes = Buffer.from(body);
  return new Promise((resolve, reject) => {
    const call = httpsRequest(
      {
        ...{ host, port, ca, method: 'POST', path: '/api/v1/enrolment/renewals', agent: false },
        minVersion: 'TLSv1.3',
        headers: { 'content-type': 'application/json', 'content-length': bytes.length },
        signal: AbortSignal.timeout(limits.issuanceAnswerMsMax),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let length = 0;
        response.on('data', (chunk: Buffer) => {
          length += chunk.length;
          if (length > limits.enrolmentAnswerBytesMax) response.destroy(new CaxtonError('LIMIT_EXCEEDED', 'too long'));
          else chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString('utf8') }),
        );
      },
    );
    call.on('error', reject);
    call.end(bytes);
  });
}

/** The other node may be in the wrong hands: what it says is a chain to be judged, or a reason to be shown. */
function answerOf(where: string, status: number, text: string): Result<string> {
  const answer = parsed(text);
  if (status === 201 && typeof answer.certificate === 'string') return ok(answer.certificate);
  const code = String(answer.code);
  const reasons = Array.isArray(answer.reasons) ? answer.reasons : [];
  const [first, ...more] = reasons
    .slice(0, limits.reasonsMax)
    .map((reason) => printable(String(reason)).slice(0, limits.reasonCharsMax));
  if (first === undefined || !Object.hasOwn(errorCodes, code))
    return refuse('PROTOCOL_VIOLATION', `${where} answered ${status} in a form that no node does.`);
  return refuse(code as ErrorCode, `${where}: ${first}`, ...more);
}

function parsed(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
