import { createInterface } from 'node:readline'
import { type GetResult, httpGet } from './http-get.ts'
import type { PullAnswer, PullCommand, PullFigures } from './pull-protocol.ts'

// A container runtime's way of pulling, without the runtime: the manifest, then its blobs, a few at a time.

async function pull(command: PullCommand): Promise<PullFigures> {
  const startedAt = performance.now()
  const cpuBefore = process.cpuUsage()
  if (command.manifest !== undefined) await httpGet(new URL(`${command.base}/manifests/${command.manifest}`))
  const manifestSeconds = (performance.now() - startedAt) / 1000
  const results: GetResult[] = []
  const waiting = command.blobs.entries()
  // All workers take from one iterator, so that each blob is fetched by one of them.
  const worker = async () => {
    for (const [index, blob] of waiting) results[index] = await fetchBlob(command, blob)
  }
  await Promise.all(Array.from({ length: command.parallel }, worker))
  const cpu = process.cpuUsage(cpuBefore)
  // The config comes first; where it is, the blob after it is the first layer.
  const layer = results[1] ?? results[0]
  return {
    seconds: (performance.now() - startedAt) / 1000,
    manifestSeconds,
    firstByteSeconds: layer?.firstByteSeconds ?? 0,
    cpuSeconds: (cpu.user + cpu.system) / 1e6
  }
}

async function fetchBlob(command: PullCommand, blob: PullCommand['blobs'][number]): Promise<GetResult> {
  const url = new URL(`${command.base}/blobs/${blob.digest}`)
  const result = await httpGet(url, { hash: command.verify, stall: command.stall })
  if (command.stall) return result
  if (result.bytes !== blob.size) throw new Error(`${url.href} has ${result.bytes} bytes instead of ${blob.size}`)
  if (command.verify && `sha256:${result.sha256}` !== blob.digest) {
    throw new Error(`${url.href} came as sha256:${result.sha256}`)
  }
  return result
}

console.log('ready')
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line) as PullCommand
  const answer: PullAnswer = await pull(command).catch((error: unknown) => ({ error: String(error) }))
  console.log(JSON.stringify(answer))
}
