import { copyFile, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { run } from './process.ts'
import { writeRandomFile } from './random-bytes.ts'
import { findTool } from './requirements.ts'

const MIB = 1024 * 1024
const TAG = 'v1'
/** Raised whenever an image of the same name would be built differently. */
const RECIPE_VERSION = 1
/** Built images are kept here from run to run: building the large one takes longer than pulling it. */
const CACHE_DIRECTORY = fileURLToPath(new URL('../../.shoal/test-images', import.meta.url))

/** What an image is made of: layers of random bytes over one layer with a static busybox. */
export interface ImageRecipe {
  readonly name: string
  readonly layerBytes: readonly number[]
}

/** 312 MiB in five layers of different sizes, and busybox. */
export const LARGE_IMAGE: ImageRecipe = {
  name: 'large',
  layerBytes: [120 * MIB, 90 * MIB, 60 * MIB, 30 * MIB, 12 * MIB]
}

/** 96 MiB in three layers, and busybox: enough to act while it is under way. */
export const MEDIUM_IMAGE: ImageRecipe = { name: 'medium', layerBytes: [48 * MIB, 32 * MIB, 16 * MIB] }

/** 12 MiB in two layers, and busybox. */
export const SMALL_IMAGE: ImageRecipe = { name: 'small', layerBytes: [8 * MIB, 4 * MIB] }

/** A file in the image's file system. */
export interface ImageFile {
  /** Absolute path inside a container. */
  readonly path: string
  readonly sha256: string
}

/** A blob that the image is made of. */
export interface ImageBlob {
  readonly digest: string
  readonly size: number
}

/** An image on disk, ready to be pushed. */
export interface BuiltImage {
  readonly name: string
  readonly tag: string
  /** Digest of the manifest. */
  readonly digest: string
  readonly layers: readonly ImageBlob[]
  readonly config: ImageBlob
  /** Bytes of the manifest, the config and all layers: what one node needs. */
  readonly bytes: number
  readonly files: readonly ImageFile[]
  /** OCI layout that holds it. */
  readonly layout: string
}

/** Builds the image with umoci, or takes the one that was built before. */
export async function buildImage(recipe: ImageRecipe): Promise<BuiltImage> {
  const sizes = recipe.layerBytes.map((bytes) => (bytes / MIB).toString()).join('-')
  const directory = path.join(CACHE_DIRECTORY, `${recipe.name}-${sizes}-recipe${RECIPE_VERSION}`)
  try {
    return await describe(recipe, directory)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
  }
  const unfinished = `${directory}.${process.pid}`
  await rm(unfinished, { recursive: true, force: true })
  await mkdir(unfinished, { recursive: true })
  try {
    await build(recipe, unfinished)
    await rename(unfinished, directory)
  } finally {
    await rm(unfinished, { recursive: true, force: true })
  }
  return describe(recipe, directory)
}

/** Pushes an image with skopeo. `repository` is `HOST:PORT/NAME`. */
export async function pushImage(
  image: BuiltImage,
  repository: string,
  options: { namespace?: string; credentials?: string } = {}
): Promise<void> {
  const login = options.credentials === undefined ? ['--dest-no-creds'] : ['--dest-creds', options.credentials]
  const copy = ['skopeo', '--insecure-policy', 'copy', '--quiet', '--dest-tls-verify=false', ...login]
  const destination = `docker://${repository}:${image.tag}`
  await run([...copy, `oci:${image.layout}:${image.tag}`, destination], {
    name: `skopeo copy to ${repository}`,
    ...(options.namespace === undefined ? {} : { namespace: options.namespace })
  })
}

async function build(recipe: ImageRecipe, directory: string): Promise<void> {
  const layout = path.join(directory, 'layout')
  const bundle = path.join(directory, 'bundle')
  const image = `${layout}:${TAG}`
  await run(['umoci', 'init', '--layout', layout])
  await run(['umoci', 'new', '--image', image])
  await run(['umoci', 'unpack', '--image', image, bundle])
  const root = path.join(bundle, 'rootfs')
  await mkdir(path.join(root, 'bin'), { recursive: true })
  await mkdir(path.join(root, 'data'), { recursive: true })
  await mkdir(path.join(root, 'etc'), { recursive: true })
  await copyFile(findTool('busybox') ?? 'busybox', path.join(root, 'bin', 'busybox'))
  await run(['umoci', 'repack', '--refresh-bundle', '--image', image, bundle])
  const files: ImageFile[] = []
  for (const [index, bytes] of recipe.layerBytes.entries()) {
    const name = `layer-${index}.bin`
    const sha256 = await writeRandomFile(path.join(root, 'data', name), `${recipe.name} ${name}`, bytes)
    files.push({ path: `/data/${name}`, sha256 })
    await run(['umoci', 'repack', '--refresh-bundle', '--image', image, bundle])
  }
  await run(['umoci', 'gc', '--layout', layout])
  await rm(bundle, { recursive: true, force: true })
  await writeFile(path.join(directory, 'files.json'), JSON.stringify(files))
}

async function describe(recipe: ImageRecipe, directory: string): Promise<BuiltImage> {
  const layout = path.join(directory, 'layout')
  const files = (await readJson(path.join(directory, 'files.json'))) as ImageFile[]
  const index = (await readJson(path.join(layout, 'index.json'))) as { manifests: ImageBlob[] }
  const [descriptor] = index.manifests
  if (descriptor === undefined) throw new Error(`${layout} has no manifest`)
  const manifestFile = path.join(layout, 'blobs', ...descriptor.digest.split(':'))
  const manifest = (await readJson(manifestFile)) as { config: ImageBlob; layers: ImageBlob[] }
  const bytes = [descriptor, manifest.config, ...manifest.layers].reduce((sum, blob) => sum + blob.size, 0)
  const { config, layers } = manifest
  return { name: recipe.name, tag: TAG, digest: descriptor.digest, layers, config, bytes, files, layout }
}

async function readJson(file: string): Promise<unknown> {
  return JSON.parse(await readFile(file, 'utf8'))
}
