import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { CommandError, errorCode } from '../errors.ts'
import { writeFileAtomically } from '../files.ts'

const PASSWORD_BYTES = 24
const SECRET_MODE = 0o600

/**
 * The administrator's password from its file; made, readable by its owner only, when there is none.
 *
 * @throws CommandError when the file is empty
 */
export async function loadAdminPassword(file: string): Promise<string> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    const password = randomBytes(PASSWORD_BYTES).toString('base64url')
    await writeFileAtomically(file, `${password}\n`, SECRET_MODE)
    return password
  }
  const password = text.trim()
  if (password === '')
    throw new CommandError(`${file} is empty; write a password into it, or delete it to get a new one`)
  return password
}
