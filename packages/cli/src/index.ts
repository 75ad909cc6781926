/**
 * The `shoal` command, and the only place where the parts are put together.
 *
 * {@link main} runs one command line. {@link startRegistry} and {@link startAgent} start a whole process from plain
 * values: tests and benchmarks build meshes with them.
 *
 * @packageDocumentation
 */
export type { CommandContext } from './commands/command.ts'
export { type AgentConfig, startAgent } from './compose/agent-process.ts'
export type { RunningProcess } from './compose/parts.ts'
export { type RegistryConfig, type RegistryProcess, startRegistry } from './compose/registry-process.ts'
export { COMMANDS, main } from './main.ts'
export { type LocalMesh, type LocalMeshInit, startLocalMesh } from './up/local-mesh.ts'
export { VERSION } from './version.ts'
