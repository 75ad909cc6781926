import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ConfigurationError } from '../src/errors.ts'
import { parseFlags } from '../src/options/flags.ts'
import { formatHelp } from '../src/options/help.ts'
import { editDistance, nearest } from '../src/options/nearest.ts'
import { defaulted, optional, repeated, required, toggle, variableOf } from '../src/options/option.ts'
import { CONFIG_OPTION, resolveOptions } from '../src/options/resolve.ts'
import { ADDRESS } from '../src/values/address.ts'
import { choice } from '../src/values/choice.ts'
import { SIZE } from '../src/values/size.ts'
import { NAME } from '../src/values/text.ts'

const TABLE = {
  listen: defaulted(ADDRESS, '127.0.0.1:5050', 'where to listen'),
  'cache-size': optional(SIZE, 'how much to keep'),
  level: defaulted(choice('low', 'high'), 'low', 'how loud'),
  name: repeated(NAME, 'a name'),
  once: toggle('end at once'),
  token: optional(
    {
      placeholder: 'TOKEN',
      parse(text: string): string {
        throw new Error(`${text} is damaged`)
      }
    },
    'a secret',
    { secret: true }
  ),
  config: CONFIG_OPTION
} as const

interface Given {
  argv?: string[]
  environment?: Record<string, string>
  file?: string
}

async function resolve({ argv = [], environment = {}, file }: Given) {
  return await resolveOptions(TABLE, parseFlags(TABLE, argv), {
    environment,
    async readFile(path) {
      if (path === 'shoal.yaml' && file !== undefined) return file
      throw new Error(`there is no ${path}`)
    }
  })
}

async function refusal(given: Given): Promise<string> {
  try {
    await resolve(given)
  } catch (error) {
    assert.ok(error instanceof ConfigurationError, String(error))
    assert.equal(error.exitCode, 2)
    assert.doesNotMatch(error.message, /\n/)
    return error.message
  }
  assert.fail('the options were accepted')
}

const FILE = ['--config', 'shoal.yaml']

describe('where a value comes from', () => {
  it('is the default when nothing else says', async () => {
    assert.deepEqual(await resolve({}), {
      listen: { host: '127.0.0.1', port: 5050 },
      'cache-size': undefined,
      level: 'low',
      name: [],
      once: false,
      token: undefined,
      config: undefined
    })
  })

  it('is the flag, then the environment, then the file', async () => {
    const file = 'listen: "[::1]:3"\nlevel: high\ncache-size: 3MiB\nonce: true\n'
    const environment = { SHOAL_LISTEN: '[::1]:2', SHOAL_CACHE_SIZE: '2MiB' }
    const values = await resolve({ argv: [...FILE, '--listen', '[::1]:1'], environment, file })
    assert.deepEqual(values.listen, { host: '::1', port: 1 })
    assert.equal(values['cache-size'], 2 * 2 ** 20)
    assert.equal(values.level, 'high')
    assert.equal(values.once, true)
  })

  it('is the file that the environment names', async () => {
    const values = await resolve({ environment: { SHOAL_CONFIG: 'shoal.yaml' }, file: 'level: high' })
    assert.equal(values.level, 'high')
  })

  it('is a list in each source', async () => {
    assert.deepEqual((await resolve({ argv: ['--name', 'a', '--name=b'] })).name, ['a', 'b'])
    assert.deepEqual((await resolve({ environment: { SHOAL_NAME: 'a, b' } })).name, ['a', 'b'])
    assert.deepEqual((await resolve({ argv: FILE, file: 'name: [a, b]' })).name, ['a', 'b'])
    assert.deepEqual((await resolve({ argv: FILE, file: 'name: a' })).name, ['a'])
  })

  it('is not an empty variable, nor one of another program', async () => {
    const values = await resolve({ environment: { SHOAL_LEVEL: '', SHOAL_SERVICE_HOST: '10.0.0.1' } })
    assert.equal(values.level, 'low')
  })

  it('takes numbers and switches of the file as they are', async () => {
    const values = await resolve({ argv: FILE, file: 'cache-size: 4096\nonce: false' })
    assert.equal(values['cache-size'], 4096)
    assert.equal(values.once, false)
  })
})

describe('bad configuration', () => {
  it('names the flag, the value, and what would be right', async () => {
    assert.match(await refusal({ argv: ['--cache-size', '12xb'] }), /^--cache-size: "12xb" is not a size; give .*64MiB/)
    assert.match(await refusal({ argv: ['--level=mid'] }), /^--level: "mid" .* low or high/)
  })

  it('names the variable', async () => {
    assert.match(
      await refusal({ environment: { SHOAL_LISTEN: 'here' } }),
      /^SHOAL_LISTEN: "here" is not an address; give HOST:PORT/
    )
  })

  it('names the file and its key', async () => {
    assert.match(await refusal({ argv: FILE, file: 'listen: 5000' }), /^shoal\.yaml: listen: "5000" is not an address/)
    assert.match(await refusal({ argv: FILE, file: 'lisen: "[::]:1"' }), /^shoal\.yaml: lisen: .*did you mean listen\?/)
    assert.match(await refusal({ argv: FILE, file: 'listen:\n  host: x' }), /^shoal\.yaml: listen: has a mapping/)
    assert.match(await refusal({ argv: FILE, file: 'listen:' }), /^shoal\.yaml: listen: has nothing/)
    assert.match(await refusal({ argv: FILE, file: 'level: [low]' }), /^shoal\.yaml: level: has a list/)
    assert.match(await refusal({ argv: FILE, file: 'config: x' }), /^shoal\.yaml: config: there is no such key/)
  })

  it('is found even where another source wins', async () => {
    assert.match(await refusal({ argv: ['--level', 'low'], environment: { SHOAL_LEVEL: 'x' } }), /^SHOAL_LEVEL: /)
  })

  it('is a file that is no mapping, no YAML, or not there', async () => {
    assert.match(await refusal({ argv: FILE, file: '- a\n' }), /^shoal\.yaml: holds no mapping/)
    assert.match(
      await refusal({ argv: FILE, file: 'a: 1\nlisten: [::]:5000\n' }),
      /^shoal\.yaml: line 2: is not YAML: .*quotes/
    )
    assert.match(await refusal({ argv: FILE, file: 'level: low\nlevel: high\n' }), /^shoal\.yaml: line 2: /)
    assert.match(await refusal({ argv: FILE, file: 'level: &a low\nname: *a\n' }), /^shoal\.yaml: .*aliases/)
    assert.match(
      await refusal({ argv: ['--config', 'other.yaml'] }),
      /^--config: cannot read the file: there is no other/
    )
  })

  it('is a flag that is not there, comes twice, or lacks its value', async () => {
    assert.match(await refusal({ argv: ['--cache-sise', '1'] }), /^--cache-sise: .*did you mean --cache-size\?/)
    assert.match(await refusal({ argv: ['-x'] }), /^-x: there is no such flag/)
    assert.match(await refusal({ argv: ['--constructor', '1'] }), /^--constructor: there is no such flag/)
    assert.match(await refusal({ argv: ['--level', 'low', '--level', 'high'] }), /^--level: was given twice/)
    assert.match(await refusal({ argv: ['--level', '--once'] }), /^--level: needs a value/)
    assert.match(await refusal({ argv: ['--level'] }), /^--level: needs a value; give --level low\|high/)
    assert.match(await refusal({ argv: ['--once=maybe'] }), /^--once: "maybe"/)
  })

  it('does not repeat a secret', async () => {
    const message = await refusal({ argv: ['--token', 'shoal1.hunter2'] })
    assert.equal(message, '--token: … is damaged')
  })

  it('is an option that must be there and is not', async () => {
    const table = { data: required(NAME, 'where') }
    const missing = resolveOptions(table, parseFlags(table, []), { environment: {}, readFile: async () => '' })
    await assert.rejects(missing, {
      key: '--data',
      message: /^--data: is missing; give --data NAME, SHOAL_DATA, or "data"/
    })
  })
})

describe('the help', () => {
  it('has a line for every option of the table, with its default', () => {
    const help = formatHelp({ usage: 'shoal test', summary: 'tests', options: TABLE }, 80)
    for (const name of Object.keys(TABLE)) assert.match(help, new RegExp(`^  --${name}\\b`, 'm'), name)
    assert.match(help, /default 127\.0\.0\.1:5050/)
    assert.match(help, new RegExp(variableOf('listen')))
    for (const line of help.split('\n')) assert.ok(line.length <= 80, line)
  })
})

describe('the nearest name', () => {
  it('is one that is a slip away, or none', () => {
    assert.equal(nearest('lisen', ['data', 'listen']), 'listen')
    assert.equal(nearest('zzzzzz', ['data', 'listen']), undefined)
    assert.equal(editDistance('kitten', 'sitting'), 3)
  })
})
