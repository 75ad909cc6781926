import assert from 'node:assert/strict'
import { it } from 'node:test'
import type { RegistryEvent } from '../src/events/event.ts'
import type { Waiting } from '../src/events/event-log.ts'
import { WebhookSender } from '../src/events/webhook-sender.ts'

const waiting = (seq: number, repository = 'app'): Waiting => ({ seq, repository, bytes: 1, at: 1_000_000 })

/** A sender whose time stands still. */
function prepare(answers: number[]) {
  const delays: number[] = []
  const tasks: { ms: number; task: () => void }[] = []
  const wall = { now: 1_000_000 }
  const posted: string[] = []
  const done: number[] = []
  const counts = { delivered: 0, failed: 0, dropped: 0 }
  const sender = new WebhookSender({
    webhook: { name: 'one', url: 'http://127.0.0.1/', backoffMaxMs: 5000 },
    log: {
      get: async (seq) =>
        ({ seq, id: `id${seq}`, at: 0, action: 'push', kind: 'blob', repository: 'app' }) as RegistryEvent,
      done: async (_, seqs) => void done.push(...seqs)
    },
    post: async (_url, _headers, body) => {
      posted.push(JSON.parse(body.toString()).events[0].id)
      return answers.shift() ?? 200
    },
    origin: () => ({ addr: 'a:1', instanceId: 'i' }),
    bounds: { events: 10, bytes: 100 },
    ageMaxMs: 1000,
    clock: {
      now: () => 0,
      every: () => () => undefined,
      after: (ms, task) => {
        const entry = { ms, task }
        if (ms !== 200) delays.push(ms)
        tasks.push(entry)
        return () => tasks.splice(tasks.indexOf(entry), tasks.includes(entry) ? 1 : 0)
      }
    },
    now: () => wall.now,
    random: () => 1,
    logger: {
      debug: () => undefined,
      info: () => undefined,
      warn: () => undefined,
      error: () => undefined,
      child: () => assert.fail()
    },
    metrics: {
      delivered: () => void counts.delivered++,
      failed: () => void counts.failed++,
      dropped: (_, events) => {
        counts.dropped += events
      }
    }
  })
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await new Promise<void>((resolve) => setImmediate(resolve))
  }
  const retry = async (): Promise<void> => {
    const at = tasks.findIndex(({ ms }) => ms !== 200)
    tasks.splice(at, 1)[0]?.task()
    await settle()
  }
  return { sender, delays, posted, done, counts, wall, settle, retry }
}

it('tries again with a back-off that doubles up to its bound, and goes on in order', async () => {
  const { counts, delays, done, posted, retry, sender, settle } = prepare([500, 302, 404, 500])
  sender.add([waiting(1), waiting(2)])
  await settle()
  for (let i = 0; i < 4; i++) await retry()
  assert.deepEqual(delays, [1000, 2000, 4000, 5000])
  assert.deepEqual(posted, ['id1', 'id1', 'id1', 'id1', 'id1', 'id2'])
  assert.deepEqual(counts, { delivered: 2, failed: 4, dropped: 0 })
  await sender.stop()
  assert.deepEqual(done, [1, 2])
})

it('drops what is too old, and nothing because the clock was set back', async () => {
  const { counts, done, sender, settle, wall } = prepare([500])
  sender.add([waiting(1), waiting(2)])
  await settle()
  wall.now = 0
  sender.expire()
  assert.equal(sender.status.queued, 2)
  assert.equal(sender.status.oldestAgeSeconds, 0)
  wall.now = 1_001_001
  sender.expire()
  assert.equal(sender.status.queued, 0)
  assert.equal(counts.dropped, 2)
  await sender.stop()
  assert.deepEqual(done, [1, 2])
})
