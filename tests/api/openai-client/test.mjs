// OpenAI's own client against the HTTP door, over its Unix socket. TAP on stdout.
// Usage: node test.mjs SOCKET MODEL [fake]: with "fake" the models of tests/api/fake-service.c are there too.
import assert from 'node:assert/strict';
import OpenAI from 'openai';
import { Agent, fetch } from 'undici';

const [socketPath, model, fake] = process.argv.slice(2);
const dispatcher = new Agent({ connect: { socketPath } });
const client = new OpenAI({
  baseURL: 'http://localhost/v1',
  apiKey: 'unused on a Unix socket',
  maxRetries: 0,
  fetch: (url, options) => fetch(url, { ...options, dispatcher }),
});
const messages = [
  { role: 'developer', content: 'Be brief.' },
  { role: 'user', content: [{ type: 'text', text: 'one two three' }] },
];
const base = { model, messages, max_completion_tokens: 8, seed: 5, temperature: 0 };

async function listsModels() {
  const ids = [];
  for await (const each of client.models.list()) ids.push(each.id);
  assert(ids.includes(model));
  assert.equal((await client.models.retrieve(model)).owned_by, 'ryzen-llm');
}

async function chats() {
  const answer = await client.chat.completions.create(base);
  assert.equal(answer.object, 'chat.completion');
  assert.equal(answer.choices[0].message.role, 'assistant');
  assert(['stop', 'length'].includes(answer.choices[0].finish_reason));
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
}

async function streamsWhatItAnswersWhole() {
  const whole = await client.chat.completions.create(base);
  let text = '', usage, finish;
  for await (const chunk of await client.chat.completions.create({
    ...base, stream: true, stream_options: { include_usage: true } })) {
    text += chunk.choices[0]?.delta.content ?? '';
    finish = chunk.choices[0]?.finish_reason ?? finish;
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(finish, whole.choices[0].finish_reason);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
}

async function itsStreamHelperAccumulates() {
  const answer = await client.chat.completions.stream(base).finalChatCompletion();
  assert.equal(answer.choices[0].message.content, (await client.chat.completions.create(base)).choices[0].message.content);
}

async function completes() {
  const answer = await client.completions.create({ model, prompt: ['a b', 'c d'], n: 2, max_tokens: 4 });
  assert.deepEqual(answer.choices.map((choice) => choice.index), [0, 1, 2, 3]);
  let text = '';
  for await (const chunk of await client.completions.create({ model, prompt: 'a b', max_tokens: 4, stream: true }))
    text += chunk.choices[0].text;
  assert.equal(typeof text, 'string');
}

async function errorsHaveClasses() {
  await assert.rejects(client.chat.completions.create({ ...base, model: 'none' }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found' && error.param === 'model');
  await assert.rejects(client.chat.completions.create({ ...base, temperature: 9 }),
    (error) => error instanceof OpenAI.BadRequestError && error.param === 'temperature');
  await assert.rejects(client.chat.completions.create({ ...base, tools: [{ type: 'function', function: { name: 'f' } }], tool_choice: 'required' }),
    (error) => error instanceof OpenAI.BadRequestError && error.code === 'not_supported');
}

async function errorsInTheStreamAreThrown() {
  await assert.rejects(async () => {
    for await (const chunk of await client.chat.completions.create({ ...base, model: 'dies', stream: true })) assert(chunk.choices);
  }, (error) => error instanceof OpenAI.APIError && error.code === 'worker_died');
}

async function abortEndsAnEndlessStream() {
  const stream = await client.chat.completions.create({ ...base, model: 'endless', stream: true });
  let n = 0;
  for await (const chunk of stream) if (chunk && ++n === 20) stream.controller.abort();
  assert(n >= 20);
}

const cases = [listsModels, chats, streamsWhatItAnswersWhole, itsStreamHelperAccumulates, completes, errorsHaveClasses,
  ...(fake ? [errorsInTheStreamAreThrown, abortEndsAnEndlessStream] : [])];
console.log(`1..${cases.length}`);
for (const [index, each] of cases.entries()) {
  try {
    await each();
    console.log(`ok ${index + 1} - ${each.name}`);
  } catch (error) {
    console.log(`# ${error.stack?.replaceAll('\n', '\n# ')}\nnot ok ${index + 1} - ${each.name}`);
    process.exitCode = 1;
  }
}
await dispatcher.destroy();
