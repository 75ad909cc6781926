import { notA, type ValueParser } from './value-parser.ts'

/** What an image is built for, in the words of the OCI image index. */
export interface Platform {
  readonly os: string
  readonly architecture: string
  readonly variant?: string
}

/**
 * Reads `os/architecture[/variant]`, such as `linux/arm64/v8`.
 *
 * @throws ValueError
 */
export function parsePlatform(text: string): Platform {
  const match = /^([a-z0-9]{1,32})\/([a-z0-9_]{1,32})(?:\/([a-z0-9.]{1,32}))?$/.exec(text)
  const [, os, architecture, variant] = match ?? []
  if (os === undefined || architecture === undefined) {
    throw notA('a platform', text, 'os/architecture[/variant], such as linux/amd64 or linux/arm64/v8')
  }
  return variant === undefined ? { os, architecture } : { os, architecture, variant }
}

/** The inverse of {@link parsePlatform}. */
export function formatPlatform(platform: Platform): string {
  const { os, architecture, variant } = platform
  return variant === undefined ? `${os}/${architecture}` : `${os}/${architecture}/${variant}`
}

/** Node's names of processors that OCI calls otherwise. */
const ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' }

/**
 * The platform whose images run here. On macOS that is Linux, as in every container engine there.
 *
 * @param platform as `process.platform`
 * @param architecture as `process.arch`
 */
export function platformOf(platform: string, architecture: string): Platform {
  return {
    os: platform === 'win32' ? 'windows' : platform === 'freebsd' ? 'freebsd' : 'linux',
    architecture: ARCHITECTURES[architecture] ?? architecture
  }
}

export const PLATFORM: ValueParser<Platform> = { placeholder: 'OS/ARCH', parse: parsePlatform }
