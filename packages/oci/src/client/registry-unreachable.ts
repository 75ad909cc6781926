/** A registry gave no usable answer: no connection, a time-out, or a broken one. */
export class RegistryUnreachableError extends Error {
  readonly code = 'REGISTRY_UNREACHABLE'
  /** `host[:port]` */
  readonly host: string

  constructor(host: string, why: string, options?: ErrorOptions) {
    super(`registry ${host} cannot be reached: ${why}; check its address and that it runs`, options)
    this.name = 'RegistryUnreachableError'
    this.host = host
  }
}
