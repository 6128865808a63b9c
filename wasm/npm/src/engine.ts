// The wasm module: which build, loaded once, started again after a trap.

import { FieldscoreError, fault } from "./error.js";
import type { Raw } from "./raw.js";

/** The builds: with 128-bit vectors, and for every browser that has WebAssembly at all. */
export type Build = "simd128" | "scalar";

/** From what level up the runtime's log goes to the console. */
export type LogLevel = "off" | "error" | "warn" | "info" | "debug" | "trace";

const LEVELS: LogLevel[] = ["off", "error", "warn", "info", "debug", "trace"];

/** How {@link init} starts the runtime. */
export interface InitOptions {
  /** The wasm module: where it is, its bytes, or compiled. Without, the package finds its own. */
  wasm?: URL | string | BufferSource | WebAssembly.Module;
  /** Forces a build. Without, the fastest that this machine runs, which all decide alike. */
  build?: Build;
  /** From what level up the runtime's log goes to the console: `"warn"` unless told. */
  log?: LogLevel;
}

/** @internal Which families of models an entry's modules run, and where it finds them. */
export interface Source {
  /** What the modules' names begin with: entries of one prefix share an engine. */
  readonly prefix: "" | "agent-" | "full-";
  /** The module of a build. */
  bytes(build: Build): Promise<BufferSource>;
  /** Its glue. */
  glue(build: Build): Promise<{ glue: () => Raw }>;
}

/** @internal */
export interface Engine {
  readonly build: Build;
  /** Whether a build that fails its self-test may be left for the other. */
  readonly automatic: boolean;
  /** The bundles that have passed their self-test here. */
  readonly tested: Set<string>;
  /** The instance's glue; after a trap, that of a new instance. */
  raw(): Raw;
  /** Whether this is still the instance's glue. */
  is(raw: Raw | undefined): boolean;
  /** Runs `work`; after a trap the instance is thrown away. */
  run<T>(work: (raw: Raw) => T, onError?: () => void): T;
}

interface State {
  current?: Promise<Engine> | undefined;
  live?: Engine | undefined;
}

const states: Record<Source["prefix"], State> = { "": {}, "agent-": {}, "full-": {} };
let level: LogLevel = "warn";

/** @internal The engine, started with `options` unless it runs already. */
export function engine(source: Source, options: InitOptions = {}): Promise<Engine> {
  const state = states[source.prefix];
  if (options.log !== undefined) {
    if (!LEVELS.includes(options.log)) {
      return Promise.reject(fault("field.type", "log", `one of ${LEVELS.join(", ")}`));
    }
    level = options.log;
    for (const { live } of Object.values(states)) live?.raw().setLog(LEVELS.indexOf(level));
  }
  if (!state.current) {
    const starting = start(source, options);
    state.current = starting;
    // What failed may work later: another network, another policy.
    starting.then(
      (engine) => {
        if (state.current === starting) state.live = engine;
      },
      () => {
        if (state.current === starting) state.current = undefined;
      },
    );
  }
  return state.current;
}

/** @internal The scalar engine in place of one whose self-test failed. */
export function fallBack(source: Source, failed: Engine): Promise<Engine> {
  const state = states[source.prefix];
  if (state.live === failed) {
    state.live = state.current = undefined;
    console.warn("fieldscore: the simd128 build failed its self-test on this machine; using the scalar build");
    return engine(source, { build: "scalar" });
  }
  return engine(source);
}

async function start(source: Source, options: InitOptions): Promise<Engine> {
  if (typeof WebAssembly !== "object" || typeof WebAssembly.instantiate !== "function") {
    throw fault(
      "wasm.unavailable",
      "WebAssembly",
      "a browser that has it (Chrome 57, Firefox 53, Safari 11 or later) and does not switch it off",
    );
  }
  const given = options.wasm === undefined ? undefined : await compile(options.wasm);
  const build = given ? buildOf(source, given) : (options.build ?? (hasSimd() ? "simd128" : "scalar"));
  if (build === "simd128" && !hasSimd()) {
    throw fault("wasm.simd", "WebAssembly", "a machine with simd128; the scalar build runs on this one");
  }
  if (options.build !== undefined && options.build !== build) {
    throw fault("wasm.load", "wasm", `the module of the ${options.build} build`);
  }
  const module = given ?? (await compile(await source.bytes(build)));
  const { glue } = await source.glue(build);
  const automatic = options.build === undefined && given === undefined && build === "simd128";
  return run(source, build, automatic, module, glue);
}

/** Makes an engine of a module and starts its first instance. */
async function run(
  { prefix }: Source,
  build: Build,
  automatic: boolean,
  module: WebAssembly.Module,
  glue: () => Raw,
): Promise<Engine> {
  let raw: Raw | undefined;
  const imports = (made: Raw) => ({
    [`./${prefix}${build}_bg.js`]: made as unknown as WebAssembly.ModuleImports,
  });
  const begin = (made: Raw, instance: WebAssembly.Instance): Raw => {
    made.__wbg_set_wasm(instance.exports);
    const initialise = instance.exports["__wbindgen_start"];
    if (typeof initialise === "function") initialise();
    made.setLog(LEVELS.indexOf(level));
    raw = made;
    return made;
  };
  const instantiate = async (): Promise<Raw> => {
    const made = glue();
    const instance = await WebAssembly.instantiate(module, imports(made));
    return raw ?? begin(made, instance);
  };
  const engine: Engine = {
    build,
    automatic,
    tested: new Set(),
    raw() {
      if (raw) return raw;
      const made = glue();
      try {
        return begin(made, new WebAssembly.Instance(module, imports(made)));
      } catch (cause) {
        // Some browsers start no module of this size at once on a page's own thread.
        throw fault("wasm.trap", "runtime", "a moment to start again after it was stopped; try again", cause);
      }
    },
    is: (other) => raw !== undefined && raw === other,
    run(work, onError) {
      const used = engine.raw();
      try {
        return work(used);
      } catch (thrown) {
        if (typeof thrown === "string") {
          onError?.();
          throw FieldscoreError.of(thrown);
        }
        if (thrown instanceof WebAssembly.RuntimeError || thrown instanceof RangeError) {
          // Nothing in that memory can be relied on any more, nor should it be kept.
          if (raw === used) {
            raw = undefined;
            instantiate().catch(() => {});
          }
          throw fault("wasm.trap", "runtime", "a call that ends; it was stopped and starts again", thrown);
        }
        onError?.();
        throw thrown;
      }
    },
  };
  try {
    await instantiate();
  } catch (cause) {
    throw fault("wasm.load", "wasm", `the ${build} module of this version of the package`, cause);
  }
  return engine;
}

async function compile(wasm: NonNullable<InitOptions["wasm"]>): Promise<WebAssembly.Module> {
  if (wasm instanceof WebAssembly.Module) return wasm;
  const bytes = typeof wasm === "string" || wasm instanceof URL ? await download(wasm) : wasm;
  try {
    return await WebAssembly.compile(bytes);
  } catch (cause) {
    throw fault(
      "wasm.compile",
      "wasm",
      "a WebAssembly module, and a content security policy that lets it be compiled (script-src 'wasm-unsafe-eval')",
      cause,
    );
  }
}

/** @internal The bytes at a URL. */
export async function download(url: URL | string): Promise<ArrayBuffer> {
  let response;
  try {
    response = await fetch(url);
  } catch (cause) {
    throw fault("wasm.load", "wasm", "a module that can be fetched (offline, or not allowed by connect-src?)", cause);
  }
  if (!response.ok) throw fault("wasm.load", "wasm", `a module at its address, not status ${response.status}`);
  return response.arrayBuffer();
}

function buildOf({ prefix }: Source, module: WebAssembly.Module): Build {
  const from = WebAssembly.Module.imports(module)[0]?.module;
  if (from === `./${prefix}simd128_bg.js`) return "simd128";
  if (from === `./${prefix}scalar_bg.js`) return "scalar";
  throw fault("wasm.load", "wasm", "a module of this package, and of this entry");
}

/**
 * Whether this machine runs the simd128 build: a module of one function that uses a vector, a
 * saturating conversion, a sign extension and memory.fill validates.
 */
function hasSimd(): boolean {
  // prettier-ignore
  const probe = [
    0, 97, 115, 109, 1, 0, 0, 0, // magic, version 1
    1, 4, 1, 96, 0, 0, // one type: () -> ()
    3, 2, 1, 0, // one function of it
    5, 3, 1, 0, 1, // a memory of one page
    10, 28, 1, 26, 0, // one body, without locals
    65, 0, 65, 0, 65, 0, 252, 11, 0, // memory.fill
    67, 0, 0, 0, 0, 252, 0, 192, 253, 15, // f32.const, i32.trunc_sat_f32_s, i32.extend8_s, i8x16.splat
    253, 98, 253, 99, 26, 11, // i8x16.popcnt, i8x16.all_true, drop, end
  ];
  return WebAssembly.validate(new Uint8Array(probe));
}
