import assert from 'node:assert/strict'
import type { LookupAddress } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { it } from 'node:test'
import { isPublicAddress, publicOnly } from '../src/foreign/public-address.ts'

it('knows what is not of the public Internet', () => {
  const inner = [
    ...['0.0.0.0', '10.1.2.3', '100.64.0.1', '127.0.0.1', '127.255.255.255', '169.254.169.254', '172.16.0.1'],
    ...['172.31.255.255', '192.0.2.1', '192.168.1.1', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255'],
    ...[
      '::',
      '::1',
      '::ffff:127.0.0.1',
      '::ffff:8.8.8.8',
      '64:ff9b::7f00:1',
      'fc00::1',
      'fd12::1',
      'fe80::1',
      'ff02::1'
    ],
    ...['2001::1', '2001:db8::1', '2002:7f00:1::1', '3fff::1', '4000::1', '', 'example.com', '1.2.3', '::1%lo']
  ]
  for (const address of inner) assert.equal(isPublicAddress(address), false, address)
  const outer = ['1.1.1.1', '8.8.8.8', '172.15.0.1', '172.32.0.1', '223.255.255.255', '2606:4700::1111', '2a00:1450::1']
  for (const address of outer) assert.equal(isPublicAddress(address), true, address)
})

it('resolves a name to its public addresses only', async () => {
  const table: Record<string, LookupAddress[]> = {
    mixed: [
      { address: '127.0.0.1', family: 4 },
      { address: '1.1.1.1', family: 4 },
      { address: '2606:4700::1', family: 6 }
    ],
    inner: [{ address: '10.0.0.1', family: 4 }],
    none: []
  }
  const resolve: LookupFunction = (name, _options, callback) => callback(null, table[name] ?? [])
  const lookup = (name: string, all: boolean): Promise<unknown> =>
    new Promise((done, fail) => {
      publicOnly(resolve)(name, { all }, (error, found) => (error === null ? done(found) : fail(error)))
    })
  assert.deepEqual(await lookup('mixed', true), table.mixed?.slice(1))
  assert.equal(await lookup('mixed', false), '1.1.1.1')
  for (const name of ['inner', 'none']) await assert.rejects(lookup(name, true), { code: 'ADDRESS_REFUSED' }, name)
})
