// What `cargo xtask wasm` puts beside the compiled sources.

declare module "*/glue-simd128.js" {
  export const glue: () => import("./raw.js").Raw;
}

declare module "*/glue-scalar.js" {
  export const glue: () => import("./raw.js").Raw;
}

declare module "*/glue-full-simd128.js" {
  export const glue: () => import("./raw.js").Raw;
}

declare module "*/glue-full-scalar.js" {
  export const glue: () => import("./raw.js").Raw;
}

declare module "*/inline-simd128.js" {
  /** The module in base64. */
  const wasm: string;
  export default wasm;
}

declare module "*/inline-scalar.js" {
  /** The module in base64. */
  const wasm: string;
  export default wasm;
}

declare module "*/inline-full-simd128.js" {
  /** The module in base64. */
  const wasm: string;
  export default wasm;
}

declare module "*/inline-full-scalar.js" {
  /** The module in base64. */
  const wasm: string;
  export default wasm;
}

declare module "node:fs/promises" {
  export function readFile(path: URL): Promise<Uint8Array<ArrayBuffer>>;
}

declare module "*/glue-agent-simd128.js" {
  export const glue: () => import("./raw.js").Raw;
}

declare module "*/glue-agent-scalar.js" {
  export const glue: () => import("./raw.js").Raw;
}

declare module "*/inline-agent-simd128.js" {
  /** The module in base64. */
  const wasm: string;
  export default wasm;
}

declare module "*/inline-agent-scalar.js" {
  /** The module in base64. */
  const wasm: string;
  export default wasm;
}
