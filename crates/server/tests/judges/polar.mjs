// Holds payment deliveries against Polar's own libraries. One JSON document on standard input,
// one on standard output.
//
//   sign      [{secret, derivation, id, timestamp, body}]  ->  ["v1,…"]
//   validate  [{secret, headers, body}]                    ->  [{current, legacy}]
//
// `current` is what @polar-sh/sdk 1.0.1 says of the signature and the type, `legacy` what 0.49.0
// says of signature, type and the shape of the payload: "ok", or why not.
import * as fs from 'node:fs';
import { Webhook } from 'standardwebhooks';
import { webhooks as current } from '@polar-sh/sdk/2026-10';
import { validateEvent as validateLegacy } from 'polar-sdk-legacy/webhooks.js';

function sign({ secret, derivation, id, timestamp, body }) {
  const key = derivation === 'decoded' ? secret : Buffer.from(secret, 'utf-8').toString('base64');
  return new Webhook(key).sign(id, new Date(timestamp * 1000), body);
}

async function verdict(judge) {
  try {
    await judge();
    return 'ok';
  } catch (error) {
    return `${error.name}: ${error.message}`;
  }
}

async function validate({ secret, headers, body }) {
  return {
    current: await verdict(() => current.validateEvent(body, headers, secret)),
    legacy: await verdict(() => validateLegacy(body, headers, secret)),
  };
}

const cases = JSON.parse(fs.readFileSync(0, 'utf-8'));
const tasks = { sign, validate };
const answers = [];
for (const one of cases) answers.push(await tasks[process.argv[2]](one));
console.log(JSON.stringify(answers));
