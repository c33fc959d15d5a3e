// What llama.cpp thinks comes next: its probabilities after every token of a prompt.
//
// Usage: node probabilities.mjs < JOBS     JOBS: one JSON object a line, {"model": path, "tokens": [...]}
//
// Answers one JSON object a line: {"probabilities": [[...]]} by position and token, or {"error": words}.
import {createInterface} from "node:readline";
import {getLlama, LlamaLogLevel} from "node-llama-cpp";

const llama = await getLlama({build: "never", gpu: false, logLevel: LlamaLogLevel.disabled});

// Temperature 1 and nothing cut off: the distribution of the model itself.
const everything = {temperature: 1, topK: 0, topP: 1, minP: 0};

// The map is ordered by probability and leaves out nothing.
function row(next, nVocab) {
    const ret = new Array(nVocab).fill(0);
    for (const [token, probability] of next.probabilities) ret[token] = probability;
    return ret;
}

async function probabilities({model: path, tokens, vocabulary}) {
    const model = await llama.loadModel({modelPath: path, useMmap: true});
    const context = await model.createContext({contextSize: 512, threads: 2, flashAttention: false});
    const steps = tokens.map((token) => [token, {generateNext: {probabilities: true, options: everything}}]);
    const results = await context.getSequence().controlledEvaluate(steps);
    await model.dispose();
    return results.map((result) => row(result.next, vocabulary));
}

for await (const line of createInterface({input: process.stdin})) {
    let answer;
    try {
        answer = {probabilities: await probabilities(JSON.parse(line))};
    } catch (error) {
        answer = {error: String(error.message ?? error)};
    }
    console.log(JSON.stringify(answer));
}
process.exit(0);
