// onnxruntime-web at its best for such models: its smallest build (`/wasm`, 128-bit vectors, no
// WebGPU), the wasm execution provider, one thread: a page has more only where it is isolated from
// other origins, which a lender's page usually isn't, and ours has one too. The tensors are made
// beforehand.

import * as ort from "onnxruntime-web/wasm";
import module from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";

ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = { wasm: module };

/** Opens a model: the module and the net come at the same time. */
export async function open({ model, precision }) {
  preload(module);
  const net = await fetch(`/models/${model}.${precision}.onnx`).then((response) => response.arrayBuffer());
  const session = await ort.InferenceSession.create(new Uint8Array(net), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
  const [[input], [output]] = [session.inputNames, session.outputNames];
  const run = async (feeds) => (await session.run(feeds))[output].data[0];
  return {
    kernels: "simd128",
    prepare: (rows) =>
      rows.map(({ features }) => ({
        [input]: new ort.Tensor("float32", Float32Array.from(features), [1, features.length]),
      })),
    async score(feeds) {
      return { output: await run(feeds) };
    },
    async repeat(feeds, calls) {
      let sum = 0;
      for (let call = 0; call < calls; call++) sum += await run(feeds[call % feeds.length]);
      return sum;
    },
  };
}

/** Asks for the module before the library does, which waits for the net. */
function preload(href) {
  const link = document.createElement("link");
  Object.assign(link, { rel: "preload", as: "fetch", crossOrigin: "anonymous", href });
  document.head.append(link);
}
