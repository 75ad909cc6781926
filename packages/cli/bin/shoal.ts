#!/usr/bin/env node
import { readFile } from 'node:fs/promises'
import { main } from '../src/main.ts'
import { listenForShutdown } from '../src/signals.ts'

// A reader that has seen enough ("shoal status | head") is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

const { signal } = listenForShutdown(process, (code) => process.exit(code))
const code = await main(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  environment: process.env,
  signal,
  readFile: (path) => readFile(path, 'utf8')
})
process.exit(code)
