import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { RegistryReady, Usage } from './session-messages.ts'

/** Agents that keep a session with one registry: `SHOAL_SESSIONS`. The soak has a thousand. */
const SESSIONS = Number(process.env.SHOAL_SESSIONS ?? 100)
const PROCESSES = 4
const DEADLINE_MS = 240_000
/** What the registry may use for a thousand of them, and so for as many as there are. */
const MAX_RSS_BYTES = 600 * 1024 * 1024
const MAX_CORES = 1
const IDLE_MS = SESSIONS > 100 ? 10_000 : 2_000
const MIB = 1024 * 1024

describe(`${SESSIONS} agents have sessions with one registry`, () => {
  let directory: string
  const processes: ChildProcess[] = []

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'shoal-sessions-'))
  })
  after(async () => {
    for (const child of processes) child.kill('SIGKILL')
    await Promise.all(processes.map((child) => child.exitCode ?? child.signalCode ?? once(child, 'exit')))
    await rm(directory, { recursive: true })
  })

  function start(file: string, ...args: string[]): ChildProcess {
    const child = fork(fileURLToPath(new URL(file, import.meta.url)), [directory, ...args])
    processes.push(child)
    return child
  }

  /** The next message of a process; fails when it ends instead, or is silent for too long. */
  async function message(child: ChildProcess): Promise<unknown> {
    const controller = new AbortController()
    const signal = AbortSignal.any([controller.signal, AbortSignal.timeout(DEADLINE_MS)])
    try {
      const ended = once(child, 'exit', { signal }).then(() => Promise.reject(new Error('a process ended too early')))
      const [value]: unknown[] = await Promise.race([once(child, 'message', { signal }), ended])
      return value
    } finally {
      controller.abort()
    }
  }

  it('within its memory and processor time', { timeout: DEADLINE_MS }, async (t) => {
    const registry = start('session-registry.ts')
    const ready = (await message(registry)) as RegistryReady
    const use = async () => {
      registry.send('use')
      return (await message(registry)) as Usage
    }
    const told = Buffer.from(JSON.stringify(ready)).toString('base64')
    const empty = await use()
    const begun = performance.now()
    const share = Math.ceil(SESSIONS / PROCESSES)
    const agents = Array.from({ length: PROCESSES }, (_, i) => {
      return start('session-agents.ts', String(i * share), String(Math.min(share, SESSIONS - i * share)), told)
    })
    for (const joined of await Promise.all(agents.map(message))) assert.equal(joined, 'joined')
    const joining = (performance.now() - begun) / 1000
    const full = await use()
    assert.equal(full.links, SESSIONS)
    await setTimeout(IDLE_MS)
    const idle = await use()
    assert.equal(idle.links, SESSIONS, 'a session was lost while nothing happened')
    const asked = performance.now()
    const answers = await Promise.all(
      agents.map((child) => {
        child.send('ask')
        return message(child)
      })
    )
    const asking = (performance.now() - asked) / 1000
    const last = await use()
    const bytes = answers.reduce((sum: number, value) => sum + Number(value), 0)
    const idleCores = (idle.cpu - full.cpu) / (IDLE_MS / 1000)
    const each = (from: Usage, to: Usage) => (((to.cpu - from.cpu) * 1000) / SESSIONS).toFixed(2)
    t.diagnostic(`joined in ${joining.toFixed(1)} s, ${each(empty, full)} ms of the registry’s time each`)
    t.diagnostic(
      `memory ${(empty.rss / MIB).toFixed(0)} MiB empty, ${(last.rss / MIB).toFixed(0)} MiB at the end, ${((last.rss - empty.rss) / 1024 / SESSIONS).toFixed(0)} KiB each`
    )
    t.diagnostic(`idle: ${idleCores.toFixed(3)} cores`)
    t.diagnostic(
      `all ask for 40 blobs at once: ${asking.toFixed(2)} s, ${each(idle, last)} ms each, ${(bytes / SESSIONS / 1024).toFixed(1)} KiB each`
    )
    assert.ok(bytes > 0, `not every agent was answered: ${answers.join(', ')}`)
    for (const { rss } of [full, idle, last]) assert.ok(rss <= MAX_RSS_BYTES, `${(rss / MIB).toFixed(0)} MiB`)
    assert.ok(idleCores <= MAX_CORES, `${idleCores} cores while nothing happens`)
  })
})
