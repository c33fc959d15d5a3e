// How fast llama.cpp is on a model: one JSON object on stdin, one on stdout.
//
//     {"model": path, "threads": n, "prompts": [tokens, ...], "decode": tokens}
//     {"decode": tokens a second, "prompt 128": tokens a second, ..., "load": seconds} or {"error": words}
//
// load: from here, without the start of node, to the first token of a prompt of one.
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const now = () => performance.now() / 1e3;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

// Logits after the last token alone.
const fed = (tokens) => tokens.map((token, i) => i + 1 < tokens.length ? token : [token, {generateNext: {token: true}}]);

async function seconds(work) {
    const start = now();
    await work();
    return now() - start;
}

async function measure({model: path, threads, prompts, decode}) {
    const llama = await getLlama({build: "never", gpu: false, logLevel: LlamaLogLevel.disabled});
    const start = now();
    const model = await llama.loadModel({modelPath: path, useMmap: true});
    const context = await model.createContext({contextSize: 1024, batchSize: 512, threads, flashAttention: true});
    const sequence = context.getSequence();
    await sequence.controlledEvaluate(fed([1]));
    const load = now() - start;
    const speeds = {};
    for (const prompt of prompts) {
        await sequence.clearHistory();
        const tokens = Array.from({length: prompt}, (_, i) => 1 + i * 37 % 250);
        speeds[`prompt ${prompt}`] = prompt / await seconds(() => sequence.controlledEvaluate(fed(tokens)));
    }
    await sequence.clearHistory();
    await sequence.controlledEvaluate(fed([1, 2, 3, 4, 5, 6, 7, 8]));
    const steps = [];
    for (let i = 0; i < decode; i++) steps.push(await seconds(() => sequence.controlledEvaluate(fed([1 + i % 250]))));
    return {decode: 1 / median(steps), ...speeds, load};
}

let input = "";
for await (const piece of process.stdin) input += piece;
let answer;
try {
    answer = await measure(JSON.parse(input));
} catch (error) {
    answer = {error: String(error.message ?? error)};
}
console.log(JSON.stringify(answer));
process.exit(0);
