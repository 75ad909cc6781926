import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import path from 'node:path'

/** What the end-to-end tests run, with the Debian package that brings it. */
export const END_TO_END_TOOLS: Readonly<Record<string, string>> = {
  busybox: 'busybox-static',
  containerd: 'containerd',
  ctr: 'containerd',
  curl: 'curl',
  'docker-registry': 'docker-registry',
  ip: 'iproute2',
  nsenter: 'util-linux',
  runc: 'runc',
  skopeo: 'skopeo',
  tc: 'iproute2',
  umoci: 'umoci',
  unshare: 'util-linux'
}

/** Debian keeps some of the tools where an ordinary user's PATH does not look. */
const EXTRA_DIRECTORIES = ['/usr/local/sbin', '/usr/sbin', '/sbin']

/** The path of a tool, or undefined when the machine lacks it. */
export function findTool(name: string): string | undefined {
  for (const directory of [...(process.env.PATH ?? '').split(':'), ...EXTRA_DIRECTORIES]) {
    const file = path.join(directory, name)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch (error) {
      if (!(error instanceof Error)) throw error
    }
  }
  return undefined
}

/** What this machine lacks to run the end-to-end tests, one sentence each; empty when nothing. */
export function missingRequirements(tools: Readonly<Record<string, string>> = END_TO_END_TOOLS): string[] {
  const missing: string[] = []
  if (process.platform !== 'linux') missing.push(`Linux (this is ${process.platform})`)
  if (process.getuid?.() !== 0) missing.push('root (network namespaces need it)')
  for (const [tool, debianPackage] of Object.entries(tools)) {
    if (findTool(tool) === undefined) missing.push(`${tool} (Debian package ${debianPackage})`)
  }
  if (missing.length === 0 && !namespacesWork()) missing.push('network namespaces (`ip netns add` is refused here)')
  return missing
}

/**
 * Decides whether a test file runs: `{}` when the machine has all it takes, else the reason for which node:test
 * reports its tests as skipped. With `SHOAL_E2E=required` a machine that lacks something fails the file instead,
 * so that a pipeline cannot turn green by testing nothing.
 *
 * @throws Error naming everything that is missing, when the tests are required
 */
export function endToEnd(): { skip?: string } {
  const missing = missingRequirements()
  if (missing.length === 0) return {}
  const reason = `end-to-end tests need ${missing.join(', ')}`
  if (process.env.SHOAL_E2E === 'required') throw new Error(`SHOAL_E2E=required, but ${reason}`)
  console.error(`SKIPPED: ${reason}`)
  return { skip: reason }
}

function namespacesWork(): boolean {
  const name = `shoal-probe-${process.pid}`
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' })
    execFileSync('ip', ['netns', 'delete', name], { stdio: 'pipe' })
    return true
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return false
  }
}
