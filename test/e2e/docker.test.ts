import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { waitFor } from '../harness/deadline.ts'
import { buildImage, SMALL_IMAGE } from '../harness/image.ts'
import { ManagedProcess, run, tryRun } from '../harness/process.ts'
import { SITE_PASSWORD, startRegistrySite, temporaryDirectory, withClients } from '../harness/registry-site.ts'

const START_DEADLINE_MS = 60_000

/** A command line that speaks to a Docker of the test's own. */
interface Docker {
  readonly docker: (...args: string[]) => Promise<string>
  readonly tryDocker: (...args: string[]) => ReturnType<typeof tryRun>
}

/** Starts dockerd without networks: it touches no rule of the host's firewall. */
async function startDocker(t: TestContext, directory: string): Promise<Docker> {
  const socket = `unix://${path.join(directory, 'sock')}`
  const places = ['--data-root', path.join(directory, 'data'), '--exec-root', path.join(directory, 'exec')]
  const network = ['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false']
  const command = ['dockerd', '--host', socket, '--pidfile', path.join(directory, 'pid'), ...places, ...network]
  const daemon = await ManagedProcess.spawn([...command, '--storage-driver', 'vfs'], { privateMounts: true })
  t.after(async () => await daemon.stop())
  const config = path.join(directory, 'config')
  await mkdir(config)
  await writeFile(path.join(config, 'config.json'), '{}')
  const line = (args: string[]): string[] => ['docker', '--config', config, '--host', socket, ...args]
  await waitFor(
    async () => {
      if (!daemon.running) throw new Error(`dockerd ended:\n${daemon.tail}`)
      return (await tryRun(line(['version']))).code === 0 ? true : undefined
    },
    { deadlineMs: START_DEADLINE_MS, what: 'dockerd answering' }
  )
  return { docker: async (...args) => await run(line(args)), tryDocker: async (...args) => await tryRun(line(args)) }
}

describe('docker', withClients('dockerd', 'docker', 'skopeo', 'umoci', 'busybox'), () => {
  it('pulls by tag and digest, pushes what it has, logs in where that is needed', async (t) => {
    const directory = await temporaryDirectory(t)
    const { docker, tryDocker } = await startDocker(t, directory)
    const { host, requests } = await startRegistrySite(t, 'pull')
    const image = await buildImage(SMALL_IMAGE)
    const creds = ['--dest-creds', `admin:${SITE_PASSWORD}`, '--dest-tls-verify=false']
    const copied = ['skopeo', 'copy', '--quiet', ...creds, `oci:${image.layout}:${image.tag}`]
    await run([...copied, `docker://${host}/team/app:v1`])

    await docker('pull', '--quiet', `${host}/team/app:v1`)
    await docker('pull', '--quiet', `${host}/team/app@${image.digest}`)
    const id = (await docker('image', 'inspect', '--format', '{{.Id}}', `${host}/team/app:v1`)).trim()
    assert.equal(id, image.config.digest)

    await docker('tag', id, `${host}/team/copy:v2`)
    const refused = await tryDocker('push', `${host}/team/copy:v2`)
    assert.notEqual(refused.code, 0, refused.output)
    const wrong = await tryDocker('login', '--username', 'admin', '--password', 'wrong', host)
    assert.notEqual(wrong.code, 0, wrong.output)
    await docker('login', '--username', 'admin', '--password', SITE_PASSWORD, host)
    const patches = await requests('PATCH')
    await docker('push', '--quiet', `${host}/team/copy:v2`)
    // It mounts the layers from where it pulled them, and sends the config.
    assert.equal((await requests('PATCH')) - patches, 1)
    const response = await fetch(`http://${host}/api/v1/repositories/team/copy/artifacts`)
    const { artifacts }: { artifacts: { type: string; tags: string[] }[] } = JSON.parse(await response.text())
    assert.deepEqual(
      artifacts.map(({ tags, type }) => [type, tags]),
      [['image', ['v2']]]
    )

    await docker('logout', host)
    await docker('rmi', '--force', id)
    await docker('pull', '--quiet', `${host}/team/copy:v2`)
  })
})
