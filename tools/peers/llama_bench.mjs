// Times llama.cpp through the npm package node-llama-cpp: one JSON object with tokens a second of prompts ("p512") and of
// greedy generation behind a number of random tokens ("n32@0"), the median of the repeats. Prompts go through
// evaluateWithoutGeneratingNewTokens; generation contains the JavaScript layer, a few milliseconds a token.
//
// node llama_bench.mjs MODEL.gguf [-t 2] [-p 512] [-n 32] [-d 0,2048] [-r 3]       (-p 0: no prompts; -n 0: no generation)
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { createRequire } from "node:module";

const { values: o, positionals: [modelPath] } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: "string", short: "t", default: "2" },
    prompt: { type: "string", short: "p", default: "512" },
    gen: { type: "string", short: "n", default: "32" },
    depth: { type: "string", short: "d", default: "0" },
    repeats: { type: "string", short: "r", default: "3" },
  },
});
const list = (text) => text.split(",").map(Number);
const prompts = list(o.prompt).filter((n) => n > 0), depths = list(o.depth);
const nGenerate = Number(o.gen), threads = Number(o.threads), repeats = Number(o.repeats);

// The package is found beside the working folder, not beside this file.
const require = createRequire(process.cwd() + "/");
const entry = require.resolve("node-llama-cpp");
const { getLlama } = await import(entry);
const release = JSON.parse(readFileSync(new URL("../llama/binariesGithubRelease.json", "file://" + entry))).release;

const llama = await getLlama({ gpu: false, build: "never", maxThreads: threads, logLevel: "error" });
const loadBegin = performance.now();
const model = await llama.loadModel({ modelPath, useMmap: true, gpuLayers: 0 });
const loadMs = performance.now() - loadBegin;
const kSpare = 64;  // in a context that is just full the package shifts and evaluates again
const contextSize = kSpare + Math.max(...prompts, ...(nGenerate ? depths.map((d) => d + nGenerate) : []));
const context = await model.createContext({
  contextSize, batchSize: 512, threads: { ideal: threads, min: threads }, flashAttention: true,
});
const sequence = context.getSequence();

let state = 7;  // the same ids in every run
const randomId = () => (state = (state * 48271) % 2147483647) % (model.fileInfo.metadata.tokenizer.ggml.tokens.length - 259) + 259;
const ids = (n) => Array.from({ length: n }, randomId);
const fill = (n) => sequence.evaluateWithoutGeneratingNewTokens(ids(n));

async function promptSpeed(n) {
  await sequence.clearHistory();
  const begin = performance.now();
  await fill(n);
  return (n * 1000) / (performance.now() - begin);
}

// The first token comes with the evaluation of the last id of the depth, so the clock runs from there.
async function generateSpeed(depth) {
  await sequence.clearHistory();
  if (depth > 1) await fill(depth - 1);
  let left = nGenerate + 1, begin = 0;
  for await (const _ of sequence.evaluate(ids(1), { temperature: 0, yieldEogToken: true })) {
    if (begin === 0) begin = performance.now();
    if (--left === 0) break;
  }
  if (left > 0) throw new Error(`generation ended ${left} tokens early`);
  return (nGenerate * 1000) / (performance.now() - begin);
}

async function median(run) {
  const samples = [];
  for (let i = 0; i < repeats; ++i) samples.push(await run());
  return samples.sort((a, b) => a - b)[repeats >> 1];
}

await promptSpeed(prompts[0] ?? 32);  // warms up
if (nGenerate > 0) await generateSpeed(0);
const speeds = {};
for (const n of prompts) speeds[`p${n}`] = await median(() => promptSpeed(n));
if (nGenerate > 0) for (const depth of depths) speeds[`n${nGenerate}@${depth}`] = await median(() => generateSpeed(depth));
console.log(JSON.stringify({ engine: `llama.cpp ${release} in JavaScript`, threads, load_ms: loadMs, ...speeds }));
await llama.dispose();
