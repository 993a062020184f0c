// Sends calls through @segment/analytics-node. Standard input as in send.js. Side by side as many calls as there are
// users, and each of them answered before the next: this SDK too sends its batches side by side, and by default waits
// ten seconds for fifteen events.
"use strict";
const { Analytics } = require("@segment/analytics-node");

const USERS = 3;

async function main() {
  const plan = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const client = new Analytics({ writeKey: plan.writeKey, host: plan.url, maxEventsInBatch: USERS, flushInterval: 200 });
  const calls = plan.rounds.flat();
  for (let start = 0; start < calls.length; start += USERS) {
    await Promise.all(calls.slice(start, start + USERS).map(([call, message]) => new Promise((resolve, reject) =>
      client[call](message, (error) => (error ? reject(error) : resolve())))));
  }
  await client.closeAndFlush();
}

main().catch((error) => {
  console.error(String(error));
  process.exit(1);
});
