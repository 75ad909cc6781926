#!/usr/bin/env node
// JavaScript, unlike everything else: what Node needs to read TypeScript takes 20 MiB and a good part of the time to
// start, and with the cache below it is not loaded at all once every file was compiled once.
import module from 'node:module'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'

const NODE_MAJOR = 24
const FILE_THREADS = 16

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR) {
  console.error(`shoal: Node ${process.versions.node} is too old; run it with Node ${NODE_MAJOR} or newer`)
  process.exit(1)
}

// Beside the code: whoever may write there may change the code as well, which is not so for the system's folder for
// temporary files. Where nobody may write, nothing is cached.
module.enableCompileCache(fileURLToPath(new URL('../../../.shoal/compile-cache', import.meta.url)))

// The heap for new objects stays at 1 MiB. Loading the modules would grow it to 48 MiB, which V8 does not give back; what
// is moved in bulk is in buffers outside it. A flag on the command line cannot be counted on.
setFlagsFromString('--semi-space-growth-factor=1')

// Threads that wait for files. Four, which is the default, are held up by four pushes whose bytes are being made durable.
process.env.UV_THREADPOOL_SIZE ??= String(FILE_THREADS)

await import('../src/run.ts')
