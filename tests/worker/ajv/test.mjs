// Samples of test-schema.py --corpus (on stdin) against ajv: {name: [schema, [text, ...]]}
import fs from "node:fs";
import Ajv from "ajv/dist/2020.js";
import formats from "ajv-formats";

const corpus = Object.entries(JSON.parse(fs.readFileSync(0, "utf8")));
let failed = false;
console.log(`1..${corpus.length}`);
corpus.forEach(([name, [schema, texts]], i) => {
    const ajv = new Ajv.default({ strict: false, validateFormats: true });
    formats.default(ajv);
    const validate = ajv.compile(schema);
    const wrong = texts.filter((text) => !validate(JSON.parse(text)));
    wrong.forEach((text) => console.log(`# ${text}`));
    failed ||= wrong.length > 0 || texts.length === 0;
    console.log(`${wrong.length || !texts.length ? "not ok" : "ok"} ${i + 1} - ${name}`);
});
process.exit(failed ? 1 : 0);
