import type { CollectionState } from '@shoal/registry'
import { AdminApi, notShoal } from '../admin-api.ts'

const GC_PATH = '/api/v1/gc'

/** What a collection is asked for. */
export interface GcRequest {
  readonly dryRun: boolean
  readonly untagged: boolean
  readonly graceSeconds: number
}

/** Speaks to a registry about garbage. */
export class GcClient {
  readonly #api: AdminApi
  readonly #url: string

  constructor(registry: string, password: string) {
    this.#api = new AdminApi(registry, password)
    this.#url = `${registry}${GC_PATH}`
  }

  /** @throws CommandError, when a collection is under way for instance */
  async start(request: GcRequest, signal: AbortSignal): Promise<CollectionState> {
    return this.#state(await this.#api.ask('POST', GC_PATH, signal, request))
  }

  /** The collection under way, or the last one. @throws CommandError */
  async state(signal: AbortSignal): Promise<CollectionState> {
    return this.#state(await this.#api.ask('GET', GC_PATH, signal))
  }

  /** @throws CommandError when none is under way */
  async cancel(signal: AbortSignal): Promise<CollectionState> {
    return this.#state(await this.#api.ask('DELETE', GC_PATH, signal))
  }

  #state(document: unknown): CollectionState {
    if (!isState(document)) throw notShoal(this.#url)
    return document
  }
}

function isState(document: unknown): document is CollectionState {
  return typeof document === 'object' && document !== null && 'status' in document && 'removed' in document
}
