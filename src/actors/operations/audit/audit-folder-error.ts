import { CaxtonError, ok, type Result } from '../../../errors.ts';

/** A CaxtonError as it is; an error of the disk as FILE_UNREADABLE. */
export function asError(error: unknown, folder: string): CaxtonError {
  if (error instanceof CaxtonError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new CaxtonError('FILE_UNREADABLE', `The audit folder ${folder} cannot be used: ${message}.`, { cause: error });
}

/** What reading the log gives; a refusal where it throws. */
export async function asResult<T>(folder: string, read: () => Promise<T>): Promise<Result<T>> {
  try {
    return ok(await read());
  } catch (error) {
    const { code, reasons } = asError(error, folder);
    return { ok: false, refusal: { code, reasons: [reasons[0]!, ...reasons.slice(1)] } };
  }
}
