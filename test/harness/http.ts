import { tryRun } from './process.ts'

const REQUEST_DEADLINE_SECONDS = 10
const STATUS_MARK = '\nhttp-status:'

/** An answer over HTTP; the body is text. */
export interface HttpAnswer {
  readonly status: number
  readonly body: string
}

/**
 * GETs a URL from inside a network namespace, where the loopback addresses of that node are.
 * Undefined when nothing answers.
 */
export async function httpGet(
  namespace: string,
  url: string,
  args: readonly string[] = []
): Promise<HttpAnswer | undefined> {
  const curl = ['curl', '--silent', '--globoff', '--max-time', String(REQUEST_DEADLINE_SECONDS)]
  const result = await tryRun([...curl, '--write-out', `${STATUS_MARK}%{http_code}`, ...args, url], { namespace })
  if (result.code !== 0) return undefined
  const mark = result.output.lastIndexOf(STATUS_MARK)
  return { status: Number(result.output.slice(mark + STATUS_MARK.length)), body: result.output.slice(0, mark) }
}
