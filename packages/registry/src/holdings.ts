import type { Digest } from '@shoal/oci'
import type { NewEvent } from './events/event.ts'
import type { ManifestNames, ManifestRecord, Metadata } from './metadata.ts'
import type { Quotas } from './quotas.ts'

/** What changes of holdings go through. */
export interface HoldingsInit {
  readonly metadata: Pick<Metadata, 'deleteManifest' | 'linkBlob' | 'putManifest' | 'unlinkBlob'>
  readonly quotas: Quotas
}

/** The one way by which repositories get and lose blobs and manifests, so that quotas see it all. */
export class Holdings {
  readonly #init: HoldingsInit

  constructor(init: HoldingsInit) {
    this.#init = init
  }

  /**
   * Let a repository serve a blob.
   *
   * @param store makes the blob, once the quota has room for it
   * @param events kept in the same write
   * @throws OciError `DENIED` when it has not
   */
  async addBlob(
    repository: string,
    digest: Digest,
    size: number,
    store?: () => Promise<unknown>,
    events?: readonly NewEvent[]
  ): Promise<void> {
    const { metadata, quotas } = this.#init
    await quotas.adding(repository, digest, size, async () => {
      await store?.()
      await metadata.linkBlob(repository, digest, size, events)
    })
  }

  /** @returns whether it was there. */
  async removeBlob(repository: string, digest: Digest, events?: readonly NewEvent[]): Promise<boolean> {
    const { metadata, quotas } = this.#init
    return await quotas.removing(repository, digest, async () => await metadata.unlinkBlob(repository, digest, events))
  }

  /**
   * Store a manifest with its tags.
   *
   * @param store keeps its bytes, once the quota has room for them
   * @throws OciError `DENIED` when it has not, TagFixedError
   */
  async addManifest(
    repository: string,
    manifest: ManifestRecord,
    names: ManifestNames,
    store: () => Promise<unknown>
  ): Promise<void> {
    const { metadata, quotas } = this.#init
    await quotas.adding(repository, manifest.digest, manifest.size, async () => {
      await store()
      await metadata.putManifest(repository, manifest, names)
    })
  }

  /**
   * @param isFixed whether a tag has to stay
   * @returns whether it was there.
   * @throws TagFixedError when one of its tags has to stay
   */
  async removeManifest(
    repository: string,
    digest: Digest,
    events?: readonly NewEvent[],
    isFixed?: (tag: string) => boolean
  ): Promise<boolean> {
    const { metadata, quotas } = this.#init
    return await quotas.removing(
      repository,
      digest,
      async () => await metadata.deleteManifest(repository, digest, events, isFixed)
    )
  }
}
