// Runs the command line of this process; `bin/shoal.js` loads it.
import { readFile } from 'node:fs/promises'
import { main } from './main.ts'
import { listenForShutdown } from './signals.ts'

// A terminal that closes ends its commands properly. Without one, SIGHUP stays as it is: "nohup" has it ignored.
const names = process.stdout.isTTY ? (['SIGHUP', 'SIGINT', 'SIGTERM'] as const) : (['SIGINT', 'SIGTERM'] as const)
const { signal } = listenForShutdown(process, (code) => process.exit(code), names)

// A reader that has seen enough ("shoal status | head") is not an error, nor is a terminal that is gone.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (!signal.aborted) process.exit(error.code === 'EPIPE' ? 0 : 1)
})
process.stderr.on('error', () => undefined)

const code = await main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  signal,
  readFile: (path) => readFile(path, 'utf8')
})
process.exit(code)
